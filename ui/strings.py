"""Every text of the page, in one table, so that a text is changed or translated in one place."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "app": "Likeness",
    "theme": "Light or dark",
    "close": "Close this message",
    # Taking files in.
    "copying": "Copying the photo",
    "copying_many": "Copying photo {n} of {m}",
    "not_copied": "{name} could not be copied. Check that it is still there and try again.",
    "too_large": "{name} has {size} MB; files of up to {largest} MB are taken. Make it smaller first.",
    # 1
    "references_title": "Good photos of the person",
    "name": "Name",
    "name_hint": "Who is it?",
    "nobody": "Person {n}",
    "name_unknown": "There is nobody called {name} yet.",
    "name_new": "Somebody new",
    "name_back": "Back to {name}",
    "references_drop": "Drop good photos here",
    "references_drop_hint": "or choose files. Five to twenty are plenty; a folder works too.",
    "looking": "Looking at {name}, {n} of {m}",
    "faces": "Faces found",
    "faces_hint": "Click a face to leave it out or to use it after all.",
    "references_status": "{used} of {all} used",
    "used_sentence": "{name}: used. Click to leave it out.",
    "kept": "Used, by you",
    "kept_sentence": "{name}: used because you said so. {reason} Click to leave it out.",
    "left_out": "Left out",
    "left_out_sentence": "{name}: left out by you. Click to use it.",
    "rejected_sentence": "{reason} Click to use it anyway.",
    # 2
    "damaged_title": "The damaged photo",
    "damaged_drop": "Drop the damaged photo here",
    "damaged_drop_hint": "or choose a file. Your original is never changed.",
    "damaged_alt": "The damaged photo",
    "other_photo": "Another photo",
    "looking_for_face": "Looking for the face",
    "photo_size": "{width} x {height} px",
    "no_face": "No face found in this photo. Crop it closer to the face, turn it upright, or choose another photo.",
    "one_face": "1 face found",
    "some_faces": "{n} faces found",
    "which_face": "The face that is most like the person is restored. Click another to choose it.",
    "this_face": "The marked face is restored. Click it again to let the person decide.",
    "face_label": "Face {n}, restore this one",
    # 3
    "restore_title": "Restore",
    "restore": "Restore",
    "knobs": "Knobs",
    "more_knobs": "More",
    "recipe": "Getting to know the person",
    "seed": "Seed",
    "seed_help": "The same seed gives the same picture; another one gives another try.",
    "need_references": "First drop at least one good photo of the person.",
    "need_photo": "Now drop the damaged photo.",
    "ready_new": "The first time, Likeness gets to know the face from your good photos. That takes a while.",
    "work": "Progress",
    "stop": "Stop",
    "stopping": "Stopping",
    "starting": "Starting",
    "step": "Step {n} of {m}",
    "left_seconds": "about {n} s left",
    "left_minutes": "about {n} min left",
    "left_hours": "about {n} h left",
    "stopped": "Stopped. Nothing was lost: Restore goes on where it was.",
    "bug": "Something broke; the log is at {log}",
    "bug_without_log": "Something broke, and the log of it could not be found.",
    # The viewer.
    "viewer": "Before and after",
    "viewer_tools": "How to compare",
    "canvas": "The photo. Arrow keys move it when it is enlarged.",
    "view": "View",
    "split": "Split",
    "split_key": "Split view (S)",
    "side": "Side by side",
    "side_key": "Side by side (D)",
    "hold": "Hold for before",
    "hold_key": "Hold to see the photo as it was (B)",
    "zoom": "Zoom",
    "fit": "Fit",
    "fit_key": "Whole photo (0)",
    "face": "Face",
    "face_key": "The face (F)",
    "full": "100 %",
    "full_key": "Actual pixels (Z)",
    "before": "Before",
    "after": "After",
    "before_alt": "The photo before",
    "after_alt": "The restored photo",
    "handle": "Line between before and after",
    "empty": "Your photo appears here",
    "empty_hint": "Good photos of the person, the damaged photo, then Restore.",
    "identity": "Distance to the references {before} before, {after} after",
    "identity_note": "Lower is nearer ({recogniser}). A measure of likeness, no proof of identity.",
    "identity_none": "Restored",
    "identity_none_note": "There were no references to measure the likeness by.",
    "download": "Download",
    "made": "How this was made",
    # How it was made, term by term.
    "made_photo": "Photo",
    "made_person": "Person",
    "made_restorer": "Restorer",
    "made_face": "Face",
    "made_face_of": "{n} of {m}, largest first",
    "made_seed": "Seed",
    "made_device": "Computed on",
    "made_device_as": "{device}, {precision}",
    "made_seconds": "Time",
    "made_seconds_as": "{n} s",
    "made_engine": "Likeness",
    "made_prompt": "Phrase",
    "made_tuned": "Tuned model",
    "made_sha": "Photo, SHA-256",
    # The machine.
    "device_cpu": "CPU, {name} cores",
    "device_cuda": "{name}",
    "device_mps": "Apple graphics",
    "private": "{device}. Nothing leaves this computer.",
    # Starting and ending.
    "serving": "Likeness is at {address} (Ctrl-C ends it)",
}

LABELS: dict[str, str] = {
    "too-small": "Too small",
    "blurred": "Blurred",
    "turned-away": "Turned away",
    "somebody-else": "Somebody else?",
    "near-duplicate": "Duplicate",
    "no-face": "No face",
    "unreadable": "Unreadable",
    "several-faces": "Several faces",
}
"""A verdict's reason in a word or two, for under the picture of a face."""

STAGES: dict[str, str] = {
    "loading": "Loading",
    "finding the face": "Finding the face",
    "preparing photos": "Preparing the good photos",
    "preparing generic faces": "Preparing other faces to compare with",
    "personalizing": "Getting to know the face",
    "restoring": "Restoring",
}
"""A stage's name as work reports it, and as the page says it."""


def say(word: str, **values: object) -> str:
    """Give a text of the table with its gaps filled."""
    return WORDS[word].format(**values)


def stage_name(stage: str) -> str:
    """Give what the page calls a stage; one that the table does not have yet goes by its own name."""
    return STAGES.get(stage) or stage[:1].upper() + stage[1:]
