package main

// target is a ratio of CPU per request that the project has promised: ours ÷ theirs, at most.
type target struct {
	scenario string
	ours     string
	theirs   string
	most     float64
}

var targets = []target{
	{"get", "gatehouse", "grpc-gateway", 0.60},
	{"post", "gatehouse", "grpc-gateway", 0.60},
	{"get", "gatehouse", "vanguard", 0.32},
	{"post", "gatehouse", "vanguard", 0.32},
	{"get", "gatehouse", "floor", 1.15},
	{"post", "gatehouse", "floor", 1.15},
	{"list", "gatehouse", "grpc-gateway", 0.11},
	{"stream", "gatehouse", "grpc-gateway", 0.11},
	{"get", "gatehouse-checks", "grpc-gateway", 0.70},
	{"post", "gatehouse-checks", "grpc-gateway", 0.70},
	{"grpc", "gatehouse", "floor", 1.10},
	{"grpc", "gatehouse-internal", "floor", 1.10},
	{"get", "gatehouse", "envoy", 1},
	{"post", "gatehouse", "envoy", 1},
	{"list", "gatehouse", "envoy", 1},
	{"batch", "gatehouse", "envoy", 1},
	{"stream", "gatehouse", "envoy", 1},
}
