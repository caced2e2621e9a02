"""Wire protocols to what makes images: one file each. An upstream answers with one of five outcomes, never an
exception, and a produced answer is in the spool before it is returned."""
