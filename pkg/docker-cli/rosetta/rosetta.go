// Package rosetta stands in for a module that tells programs on macOS that they are translated for another processor.
package rosetta

// Enabled says whether the program is translated; on Linux it never is.
func Enabled() bool { return false }
