"""Files from outside: matched by their variants, joined with phenotypes, kept, and scored as a run scores its own samples."""
