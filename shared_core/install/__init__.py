"""What the editors' plug-ins consist of, where editors keep theirs, and putting them there."""
