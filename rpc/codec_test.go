package rpc

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/types/known/emptypb"
)

func TestCodec(t *testing.T) {
	p := &counted{}
	wire := encoded(t, 4000)
	var f Frame
	data := split(p, wire)
	if err := (Codec{}).Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	data.Free()
	sent, err := Codec{}.Marshal(&f)
	if err != nil {
		t.Fatal(err)
	}
	f.Free()
	if p.returned != 0 || !bytes.Equal(sent.Materialize(), wire) {
		t.Errorf("what is being sent has to outlive the frame; %d buffers went back", p.returned)
	}
	sent.Free()
	if p.returned != 1 {
		t.Errorf("%d buffers went back, want 1", p.returned)
	}
}

func TestCodecEmpty(t *testing.T) {
	sent, err := Codec{}.Marshal(&Frame{})
	if err != nil || sent.Len() != 0 {
		t.Errorf("got %d bytes, %v", sent.Len(), err)
	}
	var f Frame
	if err := (Codec{}).Unmarshal(nil, &f); err != nil || f.Len() != 0 {
		t.Errorf("got %d bytes, %v", f.Len(), err)
	}
}

func TestCodecRefusesMessages(t *testing.T) {
	if _, err := (Codec{}).Marshal(&emptypb.Empty{}); err == nil {
		t.Error("a message was sent")
	}
	if err := (Codec{}).Unmarshal(nil, &emptypb.Empty{}); err == nil {
		t.Error("a message was received")
	}
}

func TestCodecName(t *testing.T) {
	if name := (Codec{}).Name(); name != "proto" {
		t.Errorf("on the wire a frame is protobuf, not %s", name)
	}
}
