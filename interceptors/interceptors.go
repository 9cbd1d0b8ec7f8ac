// Package interceptors holds the checks around every call: who calls, may they, how often, is the request well formed,
// and what is recorded about it. Read chain.go first: it is the one ordered list, with the reason for each place. Each
// check lives in a folder of its own and knows none of the others.
//
// Bind lays the checks of one method out as flat lists. Around and GRPC join them with grpc-go: any stream interceptor
// can be put around a call, and the checks can be put on any grpc-go server.
package interceptors
