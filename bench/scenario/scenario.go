// Package scenario has the calls that are measured: what a client sends, what the backend must get, what it answers.
// Read All first.
package scenario

import (
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/proto"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
)

// Scenario is one kind of call. It is not changed after All made it.
type Scenario struct {
	Name  string // as -scenarios takes it
	Title string // as RESULTS.md has it

	Verb   string // HTTP method
	Target string // path and query
	Plain  string // the same for PlainSchema
	Body   []byte // JSON, or nil

	Method  string          // full gRPC method, with slash
	Request proto.Message   // what the backend must get
	Marker  string          // bytes that tell its requests from others of the same method
	Replies []proto.Message // what the backend answers; more than one only if it streams

	GRPC        bool // the client speaks gRPC
	Web         Web  // or a protocol of web pages, at the gRPC path
	Accept      string
	Pace        time.Duration // between two replies of the backend
	Connections int           // of the load generator; few for large calls, as what is under way at the end costs CPU and is not counted
	Streams     int           // concurrent calls per connection, for gRPC
}

// Web is a protocol of web pages; "" is none.
type Web string

// The protocols of web pages.
const (
	Connect Web = "connect"
	GRPCWeb Web = "grpc-web"
)

// Headers are those of a request beyond what the contender wants.
func (s *Scenario) Headers() (headers [][2]string) {
	if s.Accept != "" {
		headers = append(headers, [2]string{"Accept", s.Accept})
	}
	switch {
	case s.Web == GRPCWeb:
		headers = append(headers, [2]string{"Content-Type", "application/grpc-web+proto"}, [2]string{"X-Grpc-Web", "1"})
	case s.Web == Connect:
		headers = append(headers, [2]string{"Content-Type", "application/json"}, [2]string{"Connect-Protocol-Version", "1"})
	case s.Body != nil:
		headers = append(headers, [2]string{"Content-Type", "application/json"})
	}
	return headers
}

// All lists the scenarios, in the order in which they are measured.
func All() []*Scenario {
	return []*Scenario{smallGet(), smallPost(), largeList(), largePost(), stream(), pacedStream(), eventStream(), connect(), grpcWeb(), passThrough(), passThroughStream()}
}

func smallGet() *Scenario {
	return &Scenario{
		Name: "get", Title: "Small GET, path and query", Connections: 16,
		Verb: "GET", Target: "/v1/shelves/science/books?page_size=1&genre=GENRE_SCIENCE&page_token=QmFzaWM",
		Plain:  "/v1/books/shelves%2Fscience?page_size=1&genre=GENRE_SCIENCE&page_token=QmFzaWM",
		Method: libraryv1.Library_ListBooks_FullMethodName,
		Request: &libraryv1.ListBooksRequest{
			Parent: "shelves/science", PageSize: 1, Genre: libraryv1.Genre_GENRE_SCIENCE, PageToken: "QmFzaWM",
		},
		Marker:  "shelves/science",
		Replies: []proto.Message{&libraryv1.ListBooksResponse{Books: []*libraryv1.Book{shortBook()}, NextPageToken: "Tm92dW0"}},
	}
}

func smallPost() *Scenario {
	book := book(7)
	return &Scenario{
		Name: "post", Title: "Small POST, 400 bytes of JSON", Connections: 16,
		Verb: "POST", Target: "/v1/shelves/science/books?book_id=elements-7", Body: asJSON(book),
		Plain:   "/v1/books/shelves%2Fscience?book_id=elements-7",
		Method:  libraryv1.Library_CreateBook_FullMethodName,
		Request: &libraryv1.CreateBookRequest{Parent: "shelves/science", BookId: "elements-7", Book: book},
		Replies: []proto.Message{book},
	}
}

func largeList() *Scenario {
	list := &libraryv1.ListBooksResponse{Books: booksOf(mebibyte)}
	return &Scenario{
		Name: "list", Title: "1 MiB list reply", Connections: 2,
		Verb: "GET", Target: "/v1/shelves/all/books?page_size=1000", Plain: "/v1/books/shelves%2Fall?page_size=1000",
		Method:  libraryv1.Library_ListBooks_FullMethodName,
		Request: &libraryv1.ListBooksRequest{Parent: "shelves/all", PageSize: 1000}, Marker: "shelves/all",
		Replies: []proto.Message{list},
	}
}

func largePost() *Scenario {
	order := &ordersv1.CreateOrderRequest{Customer: "university", Email: "library@example.com", Items: itemsOf(mebibyte), Pickup: true}
	return &Scenario{
		Name: "batch", Title: "1 MiB batch request", Connections: 2,
		Verb: "POST", Target: "/v1/orders", Plain: "/v1/orders", Body: asJSON(order),
		Method: ordersv1.Orders_CreateOrder_FullMethodName, Request: order,
		Replies: []proto.Message{&ordersv1.Order{OrderId: "20261", Customer: "university", State: ordersv1.Order_STATE_PLACED, TotalCents: 8172635}},
	}
}

func stream() *Scenario {
	return &Scenario{
		Name: "stream", Title: "Stream of 1,000 messages", Connections: 2,
		Verb: "GET", Target: "/v1/shelves/science:watch?limit=1000", Plain: "/v1/watch/shelves%2Fscience?limit=1000",
		Method:  libraryv1.Library_WatchShelf_FullMethodName,
		Request: &libraryv1.WatchShelfRequest{Name: "shelves/science", Limit: 1000}, Marker: "shelves/science",
		Replies: events(1000),
	}
}

// pacedStream is one slow stream, whose messages leave one by one.
func pacedStream() *Scenario {
	s := *stream()
	s.Name, s.Title, s.Connections, s.Pace = "paced", "Stream of 1,000 messages, 10,000 a second", 1, 100*time.Microsecond
	s.Target, s.Plain = "/v1/shelves/paced:watch?limit=1000", "/v1/watch/shelves%2Fpaced?limit=1000"
	s.Request, s.Marker = &libraryv1.WatchShelfRequest{Name: "shelves/paced", Limit: 1000}, "shelves/paced"
	return &s
}

// eventStream is the same as server-sent events, where there are any.
func eventStream() *Scenario {
	s := *pacedStream()
	s.Name, s.Title, s.Accept = "events", "The same for a client that accepts server-sent events", "text/event-stream"
	return &s
}

// connect is the small POST in the Connect protocol.
func connect() *Scenario {
	s := *smallPost()
	s.Name, s.Title, s.Web, s.Target, s.Body = "connect", "Connect unary, 400 bytes of JSON", Connect, s.Method, asJSON(s.Request)
	return &s
}

// grpcWeb is the same in gRPC-Web.
func grpcWeb() *Scenario {
	s := *smallPost()
	wire := Wire(s.Request)
	s.Name, s.Title, s.Web, s.Target = "grpc-web", "gRPC-Web unary pass-through", GRPCWeb, s.Method
	s.Body = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(wire))), wire...)
	return &s
}

func passThrough() *Scenario {
	s := *smallPost()
	s.Name, s.Title, s.GRPC, s.Connections, s.Streams = "grpc", "gRPC unary pass-through", true, 4, 8
	return &s
}

func passThroughStream() *Scenario {
	s := *stream()
	s.Name, s.Title, s.GRPC, s.Connections, s.Streams = "grpc-stream", "gRPC stream pass-through, 1,000 messages", true, 2, 1
	return &s
}
