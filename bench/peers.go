package main

func (f *field) startFloor() ([]*contender, error) {
	c, err := f.startPeer("floor", "floor", "floor: net/http + grpc-go, nothing translated")
	if err != nil {
		return nil, err
	}
	c.raw = true
	return []*contender{c}, nil
}

func (f *field) startGRPCGateway() ([]*contender, error) {
	return f.startREST("grpc-gateway", "grpcgateway", "grpc-gateway v2, generated")
}

func (f *field) startDynamic() ([]*contender, error) {
	return f.startREST("dynamic", "dynamic", "dynamicpb + protojson, by hand")
}

func (f *field) startVanguard() ([]*contender, error) {
	started, err := f.startREST("vanguard", "vanguard", "vanguard, from descriptors")
	if err != nil {
		return nil, err
	}
	started[0].web = true
	return started, nil
}

// startREST starts a peer that is measured with REST only.
func (f *field) startREST(name, program, title string) ([]*contender, error) {
	c, err := f.startPeer(name, program, title)
	if err != nil {
		return nil, err
	}
	c.grpc = ""
	return []*contender{c}, nil
}
