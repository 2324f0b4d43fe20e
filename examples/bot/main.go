// Bot is a small but real bot engine on statuslink, offline: its messenger is the
// console, and its clients are leads in a fake Umnico account and a fake Bitrix24
// portal. What the bot answers depends on the client's status; it moves clients
// itself, and falls silent when a manager takes one over in the CRM.
//
//	go run ./examples/bot                                            # play it yourself
//	go run ./examples/bot -script examples/bot/testdata/session.txt  # replay a session
//
// Read it in this sequence: engine.go is the bot, bot.go connects it to the CRMs,
// webhooks.go is how it hears of them, clients.go says which lead is whose. The
// rest plays the world around it: messenger.go the messenger, commands.go what the
// operator and the managers type, crms.go the CRMs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	script := flag.String("script", "", "replay the lines of this `file` instead of reading the console")
	flag.Parse()
	if err := open(*script); err != nil {
		fmt.Fprintln(os.Stderr, "bot:", err)
		os.Exit(1)
	}
}

// open runs the bot on the console or, if there is one, on a script.
func open(script string) error {
	in := os.Stdin
	if script != "" {
		var err error
		if in, err = os.Open(script); err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
	}
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return play(context.Background(), in, info.Mode()&os.ModeCharDevice != 0, os.Stdout)
}

// play runs the bot on lines that a person types, or on those of a script. These are
// printed too, and the clock stands still, so that the output is the same each time.
func play(ctx context.Context, in io.Reader, typed bool, out io.Writer) error {
	now := time.Now
	if !typed {
		now = func() time.Time { return time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC) }
	}
	return run(ctx, &messenger{in: in, typed: typed, out: out}, now)
}
