"""The screens and the command line: what people see of the engine. No network or pixel work happens here."""
