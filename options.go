package statuslink

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"time"
)

// Options are the options of a [Catalog], and of what works over it. Nil and
// the zero value work.
type Options struct {
	// NewID makes the ID of a new status. It must never return one twice, also
	// not to another process over the same store, and is safe for concurrent
	// use. An ID is lost where a change is made anew. Nil makes "st_" and 20
	// base-32 characters, random. Tests set it to make IDs exact.
	NewID func() string
	// Now tells the time and is safe for concurrent use. Nil means time.Now.
	// Tests set it.
	Now func() time.Time
	// MaxAge is how long a lookup may trust the last Load where the store is no
	// [Watcher]. 0 means 5 seconds, a negative value loads for each lookup.
	MaxAge time.Duration
	// InUse tells where the bot itself uses a status, for [Catalog.Remove]:
	// "12 leads", "script welcome", in an order that stays the same. It is asked
	// for the preview and again for the removal, there perhaps several times.
	// Nil means nowhere. An error keeps the status from being removed.
	InUse func(ctx context.Context, status Status) ([]string, error)
}

// withDefaults returns a copy with everything set.
func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.NewID == nil {
		opts.NewID = randomID
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxAge == 0 {
		opts.MaxAge = 5 * time.Second
	}
	if opts.InUse == nil {
		opts.InUse = func(context.Context, Status) ([]string, error) { return nil, nil }
	}
	return opts
}

// randomID returns "st_" and 20 base-32 characters.
func randomID() string {
	var random [13]byte // 104 bits, of which 20 characters hold 100
	_, _ = rand.Read(random[:])
	return "st_" + base32.HexEncoding.EncodeToString(random[:])[:20]
}
