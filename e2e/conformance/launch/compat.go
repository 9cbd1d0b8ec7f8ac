package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// wanted is the suite's ServerCompatRequest: what the server has to be able to do.
type wanted struct {
	HTTPVersion         string `json:"httpVersion"`
	UseTLS              bool   `json:"useTls"`
	ClientTLSCert       []byte `json:"clientTlsCert"`
	MessageReceiveLimit uint32 `json:"messageReceiveLimit"`
	ServerCreds         struct {
		Cert []byte `json:"cert"`
		Key  []byte `json:"key"`
	} `json:"serverCreds"`
}

// listening is the suite's ServerCompatResponse: where the server is.
type listening struct {
	Host    string `json:"host"`
	Port    uint32 `json:"port"`
	PEMCert []byte `json:"pemCert,omitempty"`
}

// suite reads and writes the messages that the runner exchanges with a server. Their generated code is internal to the
// suite's module, so they go by descriptor, and by JSON into the structs above.
type suite struct{ files *protoregistry.Files }

func newSuite(descriptors string) (*suite, error) {
	data, err := os.ReadFile(descriptors)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%s: %w", descriptors, err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", descriptors, err)
	}
	return &suite{files}, nil
}

// read returns what the runner asks for. Each message comes behind its size, four bytes, big endian.
func (s *suite) read(r io.Reader) (*wanted, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, fmt.Errorf("the runner's request: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(binary.BigEndian.Uint32(size[:]))))
	if err != nil {
		return nil, fmt.Errorf("the runner's request: %w", err)
	}
	m, err := s.message("ServerCompatRequest")
	if err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("the runner's request: %w", err)
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	w := new(wanted)
	return w, json.Unmarshal(text, w)
}

// write tells the runner where the server is.
func (s *suite) write(w io.Writer, l listening) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	m, err := s.message("ServerCompatResponse")
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(text, m); err != nil {
		return err
	}
	data, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}

func (s *suite) message(name protoreflect.Name) (*dynamicpb.Message, error) {
	full := protoreflect.FullName("connectrpc.conformance.v1").Append(name)
	d, err := s.files.FindDescriptorByName(full)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", full, err)
	}
	md, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no message", full)
	}
	return dynamicpb.NewMessage(md), nil
}
