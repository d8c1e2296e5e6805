"""What hears notes, one class in one file each."""
