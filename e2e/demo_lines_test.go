package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// demoPromises says what each line of the demo prints, by its shape.
func demoPromises() map[string]func(*testing.T, string, *demoRun) {
	same := func(want string) func(*testing.T, string, *demoRun) {
		return func(t *testing.T, out string, _ *demoRun) { sameValues(t, out, want) }
	}
	refused := func(status int, parts ...string) func(*testing.T, string, *demoRun) {
		return func(t *testing.T, out string, _ *demoRun) { curlRefused(t, out, status, parts...) }
	}
	const (
		origin = `{"name":"shelves/science/books/origin","title":"On the Origin of Species","authors":["Charles Darwin"],
			"pages":502,"genre":"GENRE_SCIENCE","publishTime":"1859-11-24T00:00:00Z","readingTime":"50400s",
			"labels":{"language":"en"},"paper":{"hardcover":true}}`
		elements = `{"name":"shelves/science/books/elements","title":"Elements","authors":["Euclid"],"isbn":"9781888009187",
			"pages":480,"genre":"GENRE_SCIENCE","electronic":{"sizeBytes":"9007199254740993","mediaType":"application/epub+zip"}}`
		steps = `{"text":"placed","state":"STATE_PLACED"}
			{"text":"2 × shelves/science/books/origin packed","state":"STATE_PLACED"}`
	)
	return map[string]func(*testing.T, string, *demoRun){
		"curl http://HOST/v1/shelves": same(`{"shelves":[{"name":"shelves/history","theme":"History"},{"name":"shelves/science","theme":"Science"}]}`),

		"curl http://HOST/v1/shelves/science/books/origin": same(origin),

		"curl 'http://HOST/v1/books?pageSize=2&genre=GENRE_SCIENCE'": same(`{"books":[` + elements + `,` + origin + `]}`),

		`curl -X POST 'http://HOST/v1/shelves/history/books?bookId=annals' -H 'x-api-key: writer' -d '{"title": "Annals", "authors": ["Tacitus"], "pages": 512}'`: same(
			`{"name":"shelves/history/books/annals","title":"Annals","authors":["Tacitus"],"pages":512}`),

		`curl -X PATCH http://HOST/v1/shelves/history/books/annals -H 'x-api-key: writer' -d '{"pages": 520, "genre": "GENRE_HISTORY"}'`: same(
			`{"name":"shelves/history/books/annals","title":"Annals","authors":["Tacitus"],"pages":520,"genre":"GENRE_HISTORY"}`),

		`curl -X POST http://HOST/v1/shelves/history/books/annals:archive -H 'x-api-key: writer' -d '{"reason": "worn out"}'`: same(
			`{"name":"shelves/history/books/annals","title":"Annals","authors":["Tacitus"],"pages":520,"genre":"GENRE_HISTORY",
			"labels":{"archived":"worn out"},"archived":true}`),

		"curl -N 'http://HOST/v1/shelves/science:watch?limit=2'": func(t *testing.T, out string, _ *demoRun) {
			if n := strings.Count(out, "\n"); n != 2 {
				t.Errorf("%d lines, want 2", n)
			}
			sameValues(t, out, `{"kind":"KIND_PRESENT","book":`+elements+`} {"kind":"KIND_PRESENT","book":`+origin+`}`)
		},

		"curl -N 'http://HOST/v1/shelves/science:watch?limit=2' -H 'Accept: text/event-stream'": func(t *testing.T, out string, _ *demoRun) {
			if strings.Count(out, "\ndata: {\"kind\":") != 2 || !strings.HasSuffix(out, "event: end\ndata: {}\n\n") {
				t.Errorf("want two events and the end, got\n%s", out)
			}
		},

		`curl http://HOST/acme.library.v1.Library/ListShelves -H 'Content-Type: application/json' -H 'Connect-Protocol-Version: 1' -d '{}'`: same(
			`{"shelves":[{"name":"shelves/history","theme":"History"},{"name":"shelves/science","theme":"Science"}]}`),

		`curl http://HOST/v1/orders -H 'x-api-key: reader' -d '{"customer": "ada", "email": "ada@example.com", "items": [{"book": "shelves/science/books/origin", "quantity": 2}], "pickup": true}'`: orderPlaced,

		"curl -N http://HOST/v1/orders/order-1:track -H 'x-api-key: reader'": same(steps),

		`curl -i -X POST http://HOST/v1/shelves -d '{"name": "shelves/poetry"}'`: refused(401, "Www-Authenticate: ", "x-api-key"),

		"curl -i -X DELETE http://HOST/v1/shelves/science/books/origin -H 'x-api-key: reader'": refused(403, "library.admin"),

		`curl -i http://HOST/v1/orders -H 'x-api-key: reader' -d '{"customer": "Ada L.", "email": "nowhere", "items": [{"book": "origin", "quantity": 0}], "pickup": true}'`: refused(400,
			`"field":"customer"`, `"field":"email"`, `"field":"items[0].book"`, `"field":"items[0].quantity"`),

		`for i in 1 2 3 4; do curl -s -o /dev/null -w '%{http_code}\n' 'http://HOST/v1/books:search?query=the'; done`: quotaUsedUp,

		"grpcurl -plaintext HOST list": func(t *testing.T, out string, _ *demoRun) {
			const want = "acme.library.v1.Library\nacme.orders.v1.Orders\ngrpc.health.v1.Health\n" +
				"grpc.reflection.v1.ServerReflection\ngrpc.reflection.v1alpha.ServerReflection\n"
			if out != want {
				t.Errorf("got\n%swant\n%s", out, want)
			}
		},

		`grpcurl -plaintext -d '{"name": "shelves/science/books/origin"}' HOST acme.library.v1.Library/GetBook`: same(origin),

		`grpcurl -plaintext -H 'x-api-key: reader' -d '{"order_id": "order-1"}' HOST acme.orders.v1.Orders/TrackOrder`: same(steps),

		"curl http://HOST/v1/modules":   modulesListed,
		"curl http://HOST/openapi.json": documentShown,
		"gatehouse routes --admin HOST": routesPrinted,
	}
}

func orderPlaced(t *testing.T, out string, _ *demoRun) {
	var order map[string]any
	if err := json.Unmarshal([]byte(out), &order); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if created, err := time.Parse(time.RFC3339Nano, fmt.Sprint(order["createTime"])); err != nil || time.Since(created) > time.Hour {
		t.Errorf("createTime %v, %v", order["createTime"], err)
	}
	delete(order, "createTime")
	rest, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	sameValues(t, string(rest), `{"orderId":"order-1","customer":"ada","items":[{"book":"shelves/science/books/origin","quantity":2}],
		"state":"STATE_PLACED","totalCents":"4056"}`)
}

func quotaUsedUp(t *testing.T, out string, d *demoRun) {
	if out != "200\n200\n200\n429\n" {
		t.Errorf("got\n%s", out)
	}
	refusal := d.paste(t, "curl -s -i 'http://"+d.rest()+"/v1/books:search?query=the'")
	curlRefused(t, refusal, 429, "QUOTA_EXCEEDED")
	m := regexp.MustCompile(`(?m)^Retry-After: (\d+)\r$`).FindStringSubmatch(refusal)
	if m == nil {
		t.Fatalf("no Retry-After in\n%s", refusal)
	}
	if seconds, err := strconv.Atoi(m[1]); err != nil || seconds < 1 || seconds > 20 {
		t.Errorf("Retry-After %s; a token comes every 20 seconds", m[1])
	}
}

func documentShown(t *testing.T, out string, _ *demoRun) {
	var document struct {
		OpenAPI string
		Info    struct{ Title string }
		Paths   map[string]any
	}
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if document.OpenAPI != "3.1.1" || document.Info.Title != "Library and shop" || document.Paths["/v1/shelves"] == nil || document.Paths["/v1/orders"] == nil {
		t.Errorf("the document is %.500s", out)
	}
}

func modulesListed(t *testing.T, out string, _ *demoRun) {
	var reply struct {
		Modules []struct{ Module, Backend string }
	}
	if err := json.Unmarshal([]byte(out), &reply); err != nil || len(reply.Modules) != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, name := range []string{"acme/library", "acme/orders"} {
		if m := reply.Modules[i]; m.Module != name || !addressIn.MatchString(m.Backend) {
			t.Errorf("module %d is %s at %q, want %s", i, m.Module, m.Backend, name)
		}
	}
}

func routesPrinted(t *testing.T, out string, _ *demoRun) {
	for _, want := range []string{
		`(?m)^VERB +PATH +METHOD +ACCESS +BODY +STREAMING`,
		`(?m)^GET +/v1/shelves +acme.library.v1.Library.ListShelves +PUBLIC +- +unary `,
		`(?m)^GET +/v1/\{name=shelves/\*\}:watch +acme.library.v1.Library.WatchShelf +PUBLIC +- +server `,
		`(?m)^PATCH +/v1/\{book.name=shelves/\*/books/\*\} +acme.library.v1.Library.UpdateBook +AUTHENTICATED +book +unary .*library.write$`,
		`(?m)^POST +/v1/orders +acme.orders.v1.Orders.CreateOrder +AUTHENTICATED +\* +unary .*orders$`,
		`(?m)^POST +/acme.orders.v1.Orders/QuoteOrders +acme.orders.v1.Orders.QuoteOrders +AUTHENTICATED +\* +bidi `,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no line like %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, "Reindex") {
		t.Errorf("an internal method is in the table of the public listener:\n%s", out)
	}
}

// sameValues compares JSON values one by one, whatever stands between them.
func sameValues(t *testing.T, got, want string) {
	t.Helper()
	g, w := values(t, got), values(t, want)
	if len(g) != len(w) {
		t.Fatalf("%d values, want %d\n%s", len(g), len(w), got)
	}
	for i := range w {
		if g[i] != w[i] {
			t.Errorf("value %d:\ngot  %s\nwant %s", i+1, g[i], w[i])
		}
	}
}

// values reads JSON values one after the other, and returns each in one form.
func values(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		even, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(even))
	}
	return all
}

// curlRefused checks a refusal as "curl -i" prints it.
func curlRefused(t *testing.T, out string, status int, parts ...string) {
	t.Helper()
	head, body, _ := strings.Cut(out, "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 "+strconv.Itoa(status)+" ") {
		t.Fatalf("want %d, got\n%s", status, out)
	}
	var reply struct{ Error struct{ Code int } }
	if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Error.Code != status {
		t.Errorf("%v, the body says %d\n%s", err, reply.Error.Code, body)
	}
	for _, part := range append(parts, "Gatehouse-Decision-Id: ") {
		if !strings.Contains(out, part) {
			t.Errorf("no %s in\n%s", part, out)
		}
	}
}
