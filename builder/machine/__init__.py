"""machine: Media -> running VM."""
