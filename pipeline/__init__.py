"""The pipeline: runs the stages in order and keeps what each made on disk."""
