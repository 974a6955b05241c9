"""What each command does with files: read the inputs, call the science, write the outputs whole or not at all."""
