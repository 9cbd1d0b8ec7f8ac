package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// unknown is a figure that cannot be had.
var unknown = math.NaN()

// counter tells how much a Go program allocates between start and since.
type counter struct {
	address string // of its /metrics; empty if it has none
	before  float64
	asking  float64 // what the asking costs
}

// start asks twice, to know what the asking costs.
func (n *counter) start(ctx context.Context) error {
	if n.address == "" {
		return nil
	}
	first, err := mallocs(ctx, n.address)
	if err != nil {
		return err
	}
	n.before, err = mallocs(ctx, n.address)
	n.asking = n.before - first
	return err
}

// since is unknown if the program does not tell.
func (n *counter) since(ctx context.Context) (float64, error) {
	if n.address == "" {
		return unknown, nil
	}
	after, err := mallocs(ctx, n.address)
	return max(after-n.before-n.asking, 0), err
}

// mallocs reads the number of objects that a Go program has allocated so far from its Prometheus metrics.
func mallocs(ctx context.Context, address string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s tells no allocations (status %d)", address, response.StatusCode)
}
