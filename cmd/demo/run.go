package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"shaketable/pipeline"
)

// run starts everything from the outside in, in the order in which records flow backwards, and stops it in reverse. It is
// one straight function because each step needs what the ones before it made.
//
//	servers ─► models ─► store, source ─► line ─► worker ┐
//	                              └────► alerter ─► pager ├─► record ─► terminal, page
//	                                  traffic ─► roll-out ┘
func run(ctx context.Context, o options, stdout, stderr io.Writer) (View, error) {
	log := slog.New(slog.DiscardHandler)
	if o.verbose {
		log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	local, err := startServers()
	if err != nil {
		return View{}, err
	}
	defer local.close()

	dir, err := os.MkdirTemp("", "shaketable-demo-")
	if err != nil {
		return View{}, err
	}
	defer os.RemoveAll(dir)
	versions, err := deploy(ctx, dir, log)
	if err != nil {
		return View{}, err
	}
	for _, v := range versions {
		defer v.close()
	}

	store, err := openStore(local.redis.Addr())
	if err != nil {
		return View{}, err
	}
	defer store.Close()
	source, err := newSource(local.kafka.ListenAddrs(), log)
	if err != nil {
		return View{}, err
	}
	defer source.Close()
	line, err := newLine(store, versions, log)
	if err != nil {
		return View{}, err
	}

	panel, err := newPanel(ctx, dir, line, store, versions[0].subject, log)
	if err != nil {
		return View{}, err
	}
	record := NewRecord(time.Now(), o.duration)
	alerter, err := newAlerter(store, versions[0].detector, pager{record}, log)
	if err != nil {
		return View{}, err
	}
	traffic, err := NewTraffic(o.seed, local.kafka.ListenAddrs(), o.rate, versions[0])
	if err != nil {
		return View{}, err
	}
	page, err := servePage(o.listen, record)
	if err != nil {
		return View{}, err
	}
	defer page.Close()

	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	group, ctx := errgroup.WithContext(ctx)
	background := func(do func(context.Context)) { group.Go(func() error { do(ctx); return nil }) }
	background(local.keepTime)
	group.Go(func() error { return pipeline.NewWorker(line, source).Run(ctx) })
	background(func(ctx context.Context) { panel.Run(ctx, subjectsOf(versions)) })
	background(alerter.Run)
	background(func(ctx context.Context) { watch(ctx, alerter, store, record) })
	background(terminal{out: stdout, record: record, page: page.link, live: isTerminal(stdout)}.run)
	group.Go(func() error { return traffic.Run(ctx) })
	group.Go(func() error { return rollOut(ctx, store, versions, traffic, record, o.rollOut) })
	err = group.Wait()
	return record.View(), err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
