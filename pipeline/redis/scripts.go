package redis

import (
	_ "embed"

	goredis "github.com/redis/go-redis/v9"
)

// The sources of the scripts. Go forbids embedding into constants, so these are variables that nothing writes.
var (
	//go:embed lua/lib.lua
	libSource string
	//go:embed lua/claim.lua
	claimSource string
	//go:embed lua/apply.lua
	applySource string
	//go:embed lua/win.lua
	winSource string
	//go:embed lua/hold.lua
	holdSource string
	//go:embed lua/save.lua
	saveSource string
	//go:embed lua/release.lua
	releaseSource string
	//go:embed lua/pending.lua
	pendingSource string
	//go:embed lua/ack.lua
	ackSource string
	//go:embed lua/register.lua
	registerSource string
	//go:embed lua/order.lua
	orderSource string
	//go:embed lua/orders.lua
	ordersSource string
	//go:embed lua/schedule.lua
	scheduleSource string
	//go:embed lua/panel.lua
	panelSource string
	//go:embed lua/place.lua
	placeSource string
)

// scripts run by digest and fall back to the source when the server does not know them (a restart, a fail-over, SCRIPT FLUSH).
type scripts struct {
	claim, apply, win, hold, save, release, pending, ack, order, orders, register, place, panel, schedule *goredis.Script
}

func newScripts() scripts {
	script := func(source string) *goredis.Script { return goredis.NewScript(libSource + source) }
	return scripts{
		claim: script(claimSource), apply: script(applySource), win: script(winSource), hold: script(holdSource),
		save: script(saveSource), release: script(releaseSource), pending: script(pendingSource), ack: script(ackSource),
		order: script(orderSource), orders: script(ordersSource),
		register: script(registerSource), schedule: script(scheduleSource), place: script(placeSource),
		panel: script(panelSource),
	}
}
