// Package deadline says how much time is left.
package deadline

import (
	"context"
	"time"
)

// Left is the time until ctx ends, or the given one where it never does.
func Left(ctx context.Context, otherwise time.Duration) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return otherwise
	}
	return max(0, time.Until(end))
}
