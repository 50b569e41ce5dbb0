"""The command line: one file a group of commands; each reads what was typed, asks the engine and prints the answer.

Nothing is computed here. Answers go to stdout, as text or with `--json` as one JSON object whose fields `fields` lists;
progress and errors go to stderr. Exit codes: 0 done, 1 something the user can put right, 2 wrong usage, 3 a bug, 130
stopped by Ctrl-C. Whatever takes time to import is imported when it is needed, so that `--help` is quick.
"""
