"""What has to do with machines, not with the lesson: devices, threads, memory, files."""
