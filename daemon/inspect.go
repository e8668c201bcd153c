package daemon

import (
	"context"
	"errors"
	"os"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/store/sqlite"
)

// Inspection is a Control that reads and never writes: Status, Events, Deliveries and Delivery work, everything else
// says what it needs.
type Inspection struct{ desk desk }

var errInspection = errors.New("this was opened for reading only")

// Inspect opens the store of the configuration for reading only, without its lock, beside a daemon or without one.
// bridge.ErrNotFound where there is no store yet.
func Inspect(ctx context.Context, options Options) (*Inspection, error) {
	cfg, err := load(options, newSources(options))
	if err != nil {
		return nil, err
	}
	store, err := sqlite.OpenReadOnly(ctx, cfg.Bridge.Store)
	if err != nil {
		return nil, err
	}
	k := desk{store: store, path: cfg.Bridge.Store, version: options.Version, config: func() *configs.Config { return cfg }}
	return &Inspection{k}, nil
}

// storeOf is the path of the configuration's store. It may be known in spite of an error in the rest of the file.
func storeOf(options Options) (string, error) {
	if options.Store != "" {
		return options.Store, nil
	}
	cfg, err := load(options, newSources(options))
	if broken := (*configs.Error)(nil); errors.As(err, &broken) && broken.Store != "" {
		return broken.Store, err
	}
	if err != nil {
		return "", err
	}
	return cfg.Bridge.Store, nil
}

// Backup writes a consistent copy of the configuration's store to a new file at path, beside a daemon or without one, and
// returns how many bytes it has; progress is told the pages that are left and those there are. The rest of the configuration
// may be broken. Errors: bridge.ErrNotFound where there is no store yet, fs.ErrExist, bridge.ErrFull.
func Backup(ctx context.Context, options Options, path string, progress func(left, pages int)) (bytes int64, err error) {
	place, err := storeOf(options)
	if place == "" {
		return 0, err
	}
	store, err := sqlite.OpenReadOnly(ctx, place)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Backup(ctx, path, progress); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close lets go of the store.
func (i *Inspection) Close() error { return i.desk.store.Close() }

func (i *Inspection) Status(ctx context.Context, request StatusRequest) (Status, error) {
	return i.desk.status(ctx, request)
}

func (i *Inspection) Events(ctx context.Context, query bridge.EventQuery) ([]EventView, error) {
	return i.desk.events(ctx, query)
}

func (i *Inspection) Deliveries(ctx context.Context, query bridge.DeliveryQuery) ([]DeliveryView, error) {
	return i.desk.deliveries(ctx, query)
}

func (i *Inspection) Delivery(ctx context.Context, id int64) (DeliveryDetail, error) {
	return i.desk.delivery(ctx, id)
}

func (i *Inspection) Poll(context.Context, string) (bridge.RunReport, error) {
	return bridge.RunReport{}, errInspection
}

func (i *Inspection) Reconcile(context.Context, string) (bridge.RunReport, error) {
	return bridge.RunReport{}, errInspection
}

func (i *Inspection) Approve(context.Context, ApproveRequest) (ApproveReport, error) {
	return ApproveReport{}, errInspection
}

func (i *Inspection) Replay(context.Context, bridge.ReplayQuery) (Count, error) {
	return Count{}, errInspection
}

func (i *Inspection) Inbounds(ctx context.Context, query bridge.InboundQuery) ([]InboundView, error) {
	return i.desk.inbounds(ctx, query)
}

func (i *Inspection) Inbound(ctx context.Context, id int64) (InboundView, error) {
	return i.desk.inbound(ctx, id)
}

func (i *Inspection) ReplayInbound(context.Context, int64) (InboundView, error) {
	return InboundView{}, errInspection
}

func (i *Inspection) Pause(context.Context, Target) error           { return errInspection }
func (i *Inspection) Resume(context.Context, Target) error          { return errInspection }
func (i *Inspection) Forget(context.Context, Target) (Count, error) { return Count{}, errInspection }
func (i *Inspection) Reload(context.Context) error                  { return errInspection }

var (
	_ Control = (*Daemon)(nil)
	_ Control = (*Client)(nil)
	_ Control = (*Inspection)(nil)
)
