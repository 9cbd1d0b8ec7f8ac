package rest

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// The media types that the front writes.
const (
	typeJSON  = "application/json"
	typeLines = "application/x-ndjson"
	// typeJSONLines is another name for the same.
	typeJSONLines = "application/jsonl"
	typeEvents    = "text/event-stream"
)

// What there is to choose from, the default first.
var (
	unaryOffers  = []string{typeJSON, typeLines, typeJSONLines}
	streamOffers = []string{typeLines, typeJSONLines, typeJSON, typeEvents}
)

// acceptRangesMax bounds how many media ranges of one request are looked at.
const acceptRangesMax = 64

// accepted picks the first of the offers that the client likes best (RFC 9110, section 12.5.1), of several the one that it names
// most closely: whoever lists application/json and */* alike gets JSON. A client that names no well-formed range takes anything;
// one that rules out every offer is refused.
func accepted(h http.Header, offers []string) (string, error) {
	// Whoever accepts application/problem+json says how errors shall look, and nothing about replies.
	ranges := slices.DeleteFunc(acceptRanges(h), mediaRange.isProblem)
	if len(ranges) == 0 {
		return offers[0], nil
	}
	best, bestQ, bestCloseness := "", 0.0, 0
	for _, offer := range offers {
		q, closeness := quality(ranges, offer)
		if q > bestQ || q == bestQ && q > 0 && closeness > bestCloseness {
			best, bestQ, bestCloseness = offer, q, closeness
		}
	}
	if best == "" {
		return "", rpc.Errorf(codes.InvalidArgument, "NOT_ACCEPTABLE",
			"the answer would be %s, which the Accept header rules out; add it there or leave the header out",
			strings.Join(offers, " or "))
	}
	return best, nil
}

// mediaRange is one element of Accept. Parameters other than q do not narrow it: the only one that JSON might have is
// charset, and it is always UTF-8.
type mediaRange struct {
	kind, subtype string // "*" for any
	q             float64
}

func (r mediaRange) isProblem() bool { return r.kind+"/"+r.subtype == front.TypeProblem }

// acceptRanges reads the well-formed elements.
func acceptRanges(h http.Header) []mediaRange {
	var ranges []mediaRange
	for _, v := range h["Accept"] {
		for element := range strings.SplitSeq(v, ",") {
			if len(ranges) == acceptRangesMax {
				return ranges
			}
			full, params, err := mime.ParseMediaType(element)
			kind, subtype, ok := strings.Cut(full, "/")
			if err != nil || !ok {
				continue
			}
			q := 1.0
			if text, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
					continue
				}
			}
			ranges = append(ranges, mediaRange{kind, subtype, q})
		}
	}
	return ranges
}

// quality returns the weight of the most specific range that covers the offer, and how specific it is.
func quality(ranges []mediaRange, offer string) (q float64, closest int) {
	kind, subtype, _ := strings.Cut(offer, "/")
	for _, r := range ranges {
		closeness := 0
		switch {
		case r.kind == kind && r.subtype == subtype:
			closeness = 3
		case r.kind == kind && r.subtype == "*":
			closeness = 2
		case r.kind == "*" && r.subtype == "*":
			closeness = 1
		}
		if closeness > closest || closeness == closest && closeness > 0 && r.q > q {
			q, closest = r.q, closeness
		}
	}
	return q, closest
}
