package e2e

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/e2e/etcd"
)

// etcdStep is one request of the script.
type etcdStep struct {
	name string
	// path is a path to post to, or "METHOD path".
	path, body  string
	contentType string
	// reply is the type of each message of the answer; nil if the answer is an error.
	reply proto.Message
	// streams says that the method streams replies.
	streams bool
	// since is the first release that has the method or the field.
	since string
	// unsteady are fields that two servers in the same state do not agree on, with the reason.
	unsteady map[string]string
	differs  []etcdDifference
}

// etcdDifference is a request that the semantics decide otherwise than etcd's gateway: the line of docs/semantics.md,
// and the exact answers of both.
type etcdDifference struct {
	number          int
	etcd, gatehouse string
	// from and before are the releases for which it holds; empty for all.
	from, before string
}

func (s etcdStep) difference(r etcd.Release) *etcdDifference {
	for i, d := range s.differs {
		if (d.from == "" || r.Since(d.from)) && (d.before == "" || !r.Since(d.before)) {
			return &s.differs[i]
		}
	}
	return nil
}

// etcdScript is what both servers are told. Keys and values are base64: Zm9v is foo, YmFy is bar. It starts on
// an empty store and its steps build on each other.
func etcdScript() []etcdStep {
	put, found, txn := &pb.PutResponse{}, &pb.RangeResponse{}, &pb.TxnResponse{}
	steps := []etcdStep{
		{name: "put", path: "/v3/kv/put", body: `{"key": "Zm9v", "value": "YmFy"}`, reply: put},
		{name: "put again", path: "/v3/kv/put", body: `{"key":"Zm9v","value":"YmF6","prev_kv":true}`, reply: put},
		{name: "put by lower camel names", path: "/v3/kv/put", body: `{"key":"Zm9v","value":"YmF6","prevKv":true}`, reply: put},
		{name: "put another", path: "/v3/kv/put", body: `{"key":"Zm9vMg==","value":"/+8="}`, contentType: "application/json", reply: put},
		{name: "put without value", path: "/v3/kv/put", body: `{"key":"Zm9vMw=="}`, reply: put},
		{name: "put without key", path: "/v3/kv/put", body: `{"value":"YmFy"}`},
		{name: "put with unknown lease", path: "/v3/kv/put", body: `{"key":"Zm9v","lease":"99"}`},
		{name: "put what is ignored", path: "/v3/kv/put", body: `{"key":"Zm9v","ignore_value":true,"ignore_lease":true}`, reply: put},

		{name: "range", path: "/v3/kv/range", body: `{"key":"Zm9v"}`, reply: found},
		{name: "range of none", path: "/v3/kv/range", body: `{"key":"bm9uZQ=="}`, reply: found},
		{name: "range by prefix", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w"}`, reply: found},
		{name: "range of everything", path: "/v3/kv/range", body: `{"key":"AA==","range_end":"AA=="}`, reply: found},
		{name: "range with limit", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","limit":"2"}`, reply: found},
		{name: "range with number", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","limit":1}`, reply: found},
		{name: "range with exponent", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","limit":1e0}`, reply: found,
			differs: []etcdDifference{{number: 48, before: "3.6", etcd: "400 InvalidArgument json: cannot unmarshal number 1e0 into Go value of type int64", gatehouse: "200"}}},
		{name: "range in order", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","sort_order":"DESCEND","sort_target":"VERSION"}`, reply: found},
		{name: "range in order by number", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","sort_order":2,"sort_target":3}`, reply: found},
		{name: "range of keys", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","keys_only":true}`, reply: found},
		{name: "range of count", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","count_only":true}`, reply: found},
		{name: "range in the past", path: "/v3/kv/range", body: `{"key":"Zm9v","revision":"2","serializable":true}`, reply: found},
		{name: "range by revisions", path: "/v3/kv/range", body: `{"key":"Zm9v","range_end":"Zm9w","min_mod_revision":"3","max_create_revision":"4"}`, reply: found},
		{name: "range in the future", path: "/v3/kv/range", body: `{"key":"Zm9v","revision":"999"}`},
		{name: "range with null", path: "/v3/kv/range", body: `{"key":"Zm9v","limit":null,"sort_order":null}`, reply: found},

		{name: "txn that succeeds", path: "/v3/kv/txn", reply: txn, body: `{
			"compare":[{"target":"CREATE","key":"Zm9v","createRevision":"2"}],
			"success":[{"requestPut":{"key":"Zm9v","value":"YmFy"}},{"request_range":{"key":"Zm9v"}}]}`},
		{name: "txn that fails", path: "/v3/kv/txn", reply: txn, body: `{
			"compare":[{"target":"VERSION","result":"GREATER","key":"Zm9v","version":"99"},{"target":"VALUE","key":"Zm9v","value":"YmFy"}],
			"failure":[{"request_delete_range":{"key":"Zm9vMw==","prev_kv":true}},{"request_put":{"key":"Zm9vNA==","value":"NA=="}}]}`},
		{name: "txn in txn", path: "/v3/kv/txn", reply: txn, body: `{
			"success":[{"request_txn":{
				"compare":[{"target":"MOD","result":"NOT_EQUAL","key":"Zm9v","mod_revision":"1"},{"target":"LEASE","key":"Zm9v","lease":"0"}],
				"success":[{"request_range":{"key":"Zm9v","range_end":"Zm9w","limit":"1"}}]}}]}`},
		{name: "txn of nothing", path: "/v3/kv/txn", body: `{}`, reply: txn},
		{name: "txn that puts twice", path: "/v3/kv/txn", body: `{"success":[{"request_put":{"key":"YQ=="}},{"request_put":{"key":"YQ=="}}]}`},

		{name: "delete", path: "/v3/kv/deleterange", body: `{"key":"Zm9vNA==","prev_kv":true}`, reply: &pb.DeleteRangeResponse{}},
		{name: "delete none", path: "/v3/kv/deleterange", body: `{"key":"Zm9vNA=="}`, reply: &pb.DeleteRangeResponse{}},
		{name: "delete without key", path: "/v3/kv/deleterange", body: `{}`},

		{name: "compact", path: "/v3/kv/compaction", body: `{"revision":"4","physical":true}`, reply: &pb.CompactionResponse{}},
		{name: "compact again", path: "/v3/kv/compaction", body: `{"revision":"4"}`},
		{name: "compact the future", path: "/v3/kv/compaction", body: `{"revision":"999"}`},
		{name: "range of what was compacted", path: "/v3/kv/range", body: `{"key":"Zm9v","revision":"2"}`},
	}
	steps = append(steps, etcdLeases()...)
	steps = append(steps, etcdCluster()...)
	return append(steps, etcdRefusals()...)
}

// etcdLeases works with leases whose ids are given.
func etcdLeases() []etcdStep {
	remaining := map[string]string{"TTL": "seconds that are left of the lease: the clock goes on between the two requests"}
	return []etcdStep{
		{name: "lease", path: "/v3/lease/grant", body: `{"TTL":"1000","ID":"7587"}`, reply: &pb.LeaseGrantResponse{}},
		{name: "lease that exists", path: "/v3/lease/grant", body: `{"TTL":1000,"ID":7587}`,
			differs: []etcdDifference{{number: 79, before: "3.6", etcd: "412 FailedPrecondition etcdserver: lease already exists", gatehouse: "400 FailedPrecondition etcdserver: lease already exists"}}},
		{name: "lease too long", path: "/v3/lease/grant", body: `{"TTL":"9999999999","ID":"1"}`},
		{name: "put with lease", path: "/v3/kv/put", body: `{"key":"bGVhc2Vk","value":"YmFy","lease":"7587"}`, reply: &pb.PutResponse{}},
		{name: "range of leased", path: "/v3/kv/range", body: `{"key":"bGVhc2Vk"}`, reply: &pb.RangeResponse{}},
		{name: "time to live", path: "/v3/lease/timetolive", body: `{"ID":"7587","keys":true}`, reply: &pb.LeaseTimeToLiveResponse{}, unsteady: remaining},
		{name: "time to live by old path", path: "/v3/kv/lease/timetolive", body: `{"ID":"7587"}`, reply: &pb.LeaseTimeToLiveResponse{}, unsteady: remaining},
		{name: "time to live of none", path: "/v3/lease/timetolive", body: `{"ID":"7588"}`, reply: &pb.LeaseTimeToLiveResponse{}},
		{name: "keep alive", path: "/v3/lease/keepalive", body: `{"ID":"7587"}`, reply: &pb.LeaseKeepAliveResponse{}, streams: true},
		{name: "keep alive none", path: "/v3/lease/keepalive", body: `{"ID":"7588"}`, reply: &pb.LeaseKeepAliveResponse{}, streams: true},
		{name: "leases", path: "/v3/lease/leases", body: `{}`, reply: &pb.LeaseLeasesResponse{}},
		{name: "leases by old path", path: "/v3/kv/lease/leases", body: ``, reply: &pb.LeaseLeasesResponse{}},
		{name: "revoke", path: "/v3/lease/revoke", body: `{"ID":"7587"}`, reply: &pb.LeaseRevokeResponse{}},
		{name: "revoke again", path: "/v3/kv/lease/revoke", body: `{"ID":"7587"}`},
		{name: "range of revoked", path: "/v3/kv/range", body: `{"key":"bGVhc2Vk"}`, reply: &pb.RangeResponse{}},
	}
}

// etcdCluster asks about the server and its cluster.
func etcdCluster() []etcdStep {
	const size = "pages of the file: etcd commits by the clock, and how many pages that takes depends on when it does"
	return []etcdStep{
		{name: "member list", path: "/v3/cluster/member/list", body: `{}`, reply: &pb.MemberListResponse{}},
		{name: "member list of learners", path: "/v3/cluster/member/list", body: `{"linearizable":true}`, reply: &pb.MemberListResponse{}, since: "3.5"},
		{name: "remove unknown member", path: "/v3/cluster/member/remove", body: `{"ID":"1"}`},
		{name: "status", path: "/v3/maintenance/status", body: `{}`, reply: &pb.StatusResponse{},
			unsteady: map[string]string{"dbSize": size, "dbSizeInUse": size}},
		{name: "alarms", path: "/v3/maintenance/alarm", body: `{"action":"GET","alarm":"NOSPACE"}`, reply: &pb.AlarmResponse{}},
		{name: "raise an alarm", path: "/v3/maintenance/alarm", body: `{"action":"ACTIVATE","alarm":"NOSPACE"}`, reply: &pb.AlarmResponse{}},
		{name: "put under alarm", path: "/v3/kv/put", body: `{"key":"Zm9v","value":"YmFy"}`},
		{name: "end the alarm", path: "/v3/maintenance/alarm", body: `{"action":2,"alarm":1}`, reply: &pb.AlarmResponse{}},
		{name: "hash of keys", path: "/v3/maintenance/hashkv", body: `{"revision":"6"}`, reply: &pb.HashKVResponse{}, since: "3.6"},
		{name: "auth status", path: "/v3/auth/status", body: `{}`, reply: &pb.AuthStatusResponse{}, since: "3.5"},
		{name: "enable auth without root", path: "/v3/auth/enable", body: `{}`,
			differs: []etcdDifference{{number: 79, before: "3.6", etcd: "412 FailedPrecondition etcdserver: root user does not exist", gatehouse: "400 FailedPrecondition etcdserver: root user does not exist"}}},
		{name: "users", path: "/v3/auth/user/list", body: `{}`, reply: &pb.AuthUserListResponse{}},
	}
}

// etcdRefusals are requests that one side or both do not take. None of them changes anything.
func etcdRefusals() []etcdStep {
	const typeJSON = "application/json"
	found := &pb.RangeResponse{}
	return []etcdStep{
		{name: "cut off", path: "/v3/kv/range", body: `{"key":`},
		{name: "no JSON", path: "/v3/kv/range", body: `{key}`},
		{name: "array", path: "/v3/kv/range", body: `[]`, contentType: typeJSON},
		{name: "null", path: "/v3/kv/range", body: `null`, contentType: typeJSON},
		{name: "null as a form", path: "/v3/kv/range", body: `null`, differs: []etcdDifference{
			{number: 75, before: "3.6", etcd: "400 InvalidArgument etcdserver: key is not provided", gatehouse: "415 InvalidArgument"},
			{number: 75, etcd: "400 InvalidArgument proto: syntax error (line 1:1): unexpected token null", gatehouse: "415 InvalidArgument"},
		}},
		{name: "number for bytes", path: "/v3/kv/range", body: `{"key":1}`},
		{name: "no base64", path: "/v3/kv/range", body: `{"key":"!"}`},
		{name: "text for a number", path: "/v3/kv/range", body: `{"key":"Zm9v","limit":"x"}`},
		{name: "fraction for a number", path: "/v3/kv/range", body: `{"key":"Zm9v","limit":1.5}`},
		{name: "number too large", path: "/v3/kv/range", body: `{"key":"Zm9v","limit":"9223372036854775808"}`},
		{name: "text for a bool", path: "/v3/kv/range", body: `{"key":"Zm9v","keys_only":"true"}`},
		// Old gateways take one of the two, now this, now that.
		{name: "two in one txn", path: "/v3/kv/txn", body: `{"success":[{"request_put":{"key":"YQ=="},"request_range":{"key":"YQ=="}}]}`, since: "3.6"},
		{name: "unknown enum value", path: "/v3/kv/range", body: `{"key":"Zm9v","sort_order":"descend"}`,
			differs: []etcdDifference{{number: 56, from: "3.6", etcd: "200", gatehouse: "400 InvalidArgument"}}},
		{name: "unknown field", path: "/v3/kv/range", body: `{"key":"Zm9v","nope":1}`,
			differs: []etcdDifference{{number: 44, etcd: "200", gatehouse: "400 InvalidArgument"}}},
		{name: "after the end", path: "/v3/kv/range", body: `{"key":"Zm9v"} x`,
			differs: []etcdDifference{{number: 70, etcd: "200", gatehouse: "400 InvalidArgument"}}},
		{name: "key twice", path: "/v3/kv/range", body: `{"key":"Zm9v","key":"Zm9v"}`,
			differs: []etcdDifference{{number: 45, before: "3.6", etcd: "200", gatehouse: "400 InvalidArgument"}}},
		{name: "base64 for URLs", path: "/v3/kv/range", body: `{"key":"_-8"}`, reply: found,
			differs: []etcdDifference{{number: 55, before: "3.6", etcd: "400 InvalidArgument illegal base64 data at input byte 0", gatehouse: "200"}}},
		{name: "base64 in two lines", path: "/v3/kv/range", body: `{"key":"Zm\n9v"}`,
			differs: []etcdDifference{{number: 55, etcd: "200", gatehouse: "400 InvalidArgument"}}},
		{name: "unknown path", path: "/v3/nope", body: `{}`},
		{name: "slash at the end", path: "/v3/kv/range/", body: `{"key":"Zm9v"}`},
		{name: "GET", path: "GET /v3/kv/range",
			differs: []etcdDifference{{number: 13, from: "3.6", etcd: "501 Unimplemented Method Not Allowed", gatehouse: "405 Unimplemented"}}},
		{name: "parameters", path: "/v3/kv/range?key=Zm9v", body: `{"key":"Zm9v"}`,
			differs: []etcdDifference{{number: 22, etcd: "200", gatehouse: "400 InvalidArgument"}}},
		{name: "plain text", path: "/v3/kv/range", body: `{"key":"Zm9v"}`, contentType: "text/plain",
			differs: []etcdDifference{{number: 75, etcd: "200", gatehouse: "415 InvalidArgument"}}},
	}
}
