"""What hears words, one class in one file each."""
