// Package console is what the example programs for real accounts share: they
// print what a synchronisation would change, ask, do it, and print the statuses
// with their external IDs.
package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/examples/customstore"
	"github.com/statuslink/statuslink/memstore"
)

// Program synchronises a bot's statuses with one CRM.
type Program struct {
	// Name is the program's.
	Name string
	// Flags adds flags of its own to those that all programs have; may be nil.
	Flags func(flags *flag.FlagSet)
	// Connect returns the client; env reads the environment.
	Connect func(env func(string) string) (crm.Client, error)
	// Definitions are the statuses that the bot's code needs.
	Definitions []statuslink.Definition
}

// World is what surrounds a program, so that a test can give another.
type World struct {
	Env      func(string) string
	In       io.Reader
	Out, Err io.Writer
}

// Main runs the program in the true world and exits with its code. An interrupt
// ends it between two steps, or in the midst of a call.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := p.Run(ctx, World{Env: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// Run returns the exit code: 0, 1 if something went wrong, 2 for bad usage.
func (p Program) Run(ctx context.Context, world World, args []string) int {
	r := run{Program: p, World: world}
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(r.Err)
	flags.BoolVar(&r.yes, "yes", false, "apply without asking")
	flags.BoolVar(&r.json, "json", false, "print the plan as JSON and change nothing")
	flags.StringVar(&r.file, "file", "", "keep the statuses in this `file`; without it they are gone afterwards")
	if p.Flags != nil {
		p.Flags(flags)
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(r.Err, "unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if err := r.sync(ctx); err != nil {
		fmt.Fprintf(r.Err, "%s: %v\n", p.Name, err)
		return 1
	}
	return 0
}

// run is one run of a program.
type run struct {
	Program
	World

	yes, json bool
	file      string
}

func (r *run) sync(ctx context.Context) error {
	client, err := r.Connect(r.Env)
	if err != nil {
		return err
	}
	store, err := r.store(ctx)
	if err != nil {
		return err
	}
	catalog, err := statuslink.NewCatalog(store, nil)
	if err != nil {
		return err
	}
	if err := catalog.Ensure(ctx, r.Definitions...); err != nil {
		return err
	}
	syncer, err := statuslink.NewSyncer(catalog, nil, client)
	if err != nil {
		return err
	}
	plan, err := syncer.Plan(ctx)
	if plan == nil {
		return err
	}
	if r.json {
		encoder := json.NewEncoder(r.Out)
		encoder.SetIndent("", "  ")
		return errors.Join(encoder.Encode(plan), err)
	}
	fmt.Fprint(r.Out, plan)
	if err != nil {
		return err
	}
	return r.confirm(ctx, catalog, syncer, plan)
}

// confirm asks, applies the plan and prints the statuses.
func (r *run) confirm(ctx context.Context, catalog *statuslink.Catalog, syncer *statuslink.Syncer, plan *statuslink.Plan) error {
	if !plan.Empty() {
		if !r.yes && !r.ask("Apply? [y/N] ") {
			fmt.Fprintln(r.Out, "Nothing was changed.")
			return nil
		}
		if _, err := syncer.Apply(ctx, plan); err != nil {
			return err
		}
	}
	statuses, err := catalog.Load(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.Out, "\n%v", statuses)
	return nil
}

// store returns where the statuses are kept; with -json a copy in memory, so
// that nothing is written.
func (r *run) store(ctx context.Context) (statuslink.Store, error) {
	if r.file == "" {
		return new(memstore.Store), nil
	}
	file := customstore.Open(r.file)
	if !r.json {
		return file, nil
	}
	snapshot, err := file.Load(ctx, nil)
	if err != nil {
		return nil, err
	}
	return memstore.New(snapshot.State())
}

// ask reads one line; the end of the input counts as no.
func (r *run) ask(question string) bool {
	fmt.Fprint(r.Out, question)
	answer, _ := bufio.NewReader(r.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "д", "да":
		return true
	}
	fmt.Fprintln(r.Out)
	return false
}
