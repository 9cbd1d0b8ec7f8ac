package demo

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
)

// eventsMax is how far a watcher may fall behind before its stream is ended.
const eventsMax = 1000

// Library is the library's server. It is safe for concurrent use.
type Library struct {
	libraryv1.UnimplementedLibraryServer

	mu       sync.Mutex
	shelves  map[string]*libraryv1.Shelf
	books    map[string]*libraryv1.Book
	watchers map[chan *libraryv1.ShelfEvent]string // to the shelf
}

// NewLibrary returns a library with two shelves and three books.
func NewLibrary() *Library {
	l := &Library{
		shelves:  map[string]*libraryv1.Shelf{},
		books:    map[string]*libraryv1.Book{},
		watchers: map[chan *libraryv1.ShelfEvent]string{},
	}
	for _, s := range []*libraryv1.Shelf{{Name: "shelves/history", Theme: "History"}, {Name: "shelves/science", Theme: "Science"}} {
		l.shelves[s.GetName()] = s
	}
	for _, b := range []*libraryv1.Book{
		{
			Name: "shelves/science/books/origin", Title: "On the Origin of Species", Authors: []string{"Charles Darwin"},
			Pages: 502, Genre: libraryv1.Genre_GENRE_SCIENCE, PublishTime: timestamppb.New(time.Date(1859, 11, 24, 0, 0, 0, 0, time.UTC)),
			ReadingTime: durationpb.New(14 * time.Hour), Labels: map[string]string{"language": "en"},
			Format: &libraryv1.Book_Paper_{Paper: &libraryv1.Book_Paper{Hardcover: true}},
		},
		{
			Name: "shelves/science/books/elements", Title: "Elements", Authors: []string{"Euclid"}, Pages: 480,
			Genre: libraryv1.Genre_GENRE_SCIENCE, Isbn: "9781888009187",
			Format: &libraryv1.Book_Electronic_{Electronic: &libraryv1.Book_Electronic{SizeBytes: 9007199254740993, MediaType: "application/epub+zip"}},
		},
		{
			Name: "shelves/history/books/histories", Title: "The Histories", Authors: []string{"Herodotus"}, Pages: 784,
			Genre: libraryv1.Genre_GENRE_HISTORY,
		},
	} {
		l.books[b.GetName()] = b
	}
	return l
}

// ListShelves lists all shelves by name.
func (l *Library) ListShelves(context.Context, *libraryv1.ListShelvesRequest) (*libraryv1.ListShelvesResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reply := &libraryv1.ListShelvesResponse{}
	for _, name := range slices.Sorted(maps.Keys(l.shelves)) {
		reply.Shelves = append(reply.Shelves, l.shelves[name])
	}
	return reply, nil
}

// CreateShelf adds an empty shelf.
func (l *Library) CreateShelf(_ context.Context, r *libraryv1.CreateShelfRequest) (*libraryv1.Shelf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := r.GetShelf().GetName()
	if l.shelves[name] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "there is a shelf %s already", name)
	}
	if len(l.shelves) >= itemsMax {
		return nil, status.Error(codes.ResourceExhausted, "the library is full")
	}
	l.shelves[name] = proto.CloneOf(r.GetShelf())
	return r.GetShelf(), nil
}

// GetBook returns one book.
func (l *Library) GetBook(_ context.Context, r *libraryv1.GetBookRequest) (*libraryv1.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.book(r.GetName())
}

// book returns a copy of a book. The caller holds the lock.
func (l *Library) book(name string) (*libraryv1.Book, error) {
	b := l.books[name]
	if b == nil {
		return nil, status.Errorf(codes.NotFound, "there is no book %s", name)
	}
	return proto.CloneOf(b), nil
}

// ListBooks lists books by name, a page at a time; the token is the name of the last one before.
func (l *Library) ListBooks(_ context.Context, r *libraryv1.ListBooksRequest) (*libraryv1.ListBooksResponse, error) {
	return l.list(r.GetParent(), int(r.GetPageSize()), r.GetPageToken(), func(b *libraryv1.Book) bool {
		return r.GetGenre() == libraryv1.Genre_GENRE_UNSPECIFIED || b.GetGenre() == r.GetGenre()
	})
}

// SearchBooks looks for a text in titles.
func (l *Library) SearchBooks(_ context.Context, r *libraryv1.SearchBooksRequest) (*libraryv1.ListBooksResponse, error) {
	return l.list("", 0, "", func(b *libraryv1.Book) bool {
		return strings.Contains(strings.ToLower(b.GetTitle()), strings.ToLower(r.GetQuery()))
	})
}

func (l *Library) list(parent string, size int, token string, wanted func(*libraryv1.Book) bool) (*libraryv1.ListBooksResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if parent != "" && l.shelves[parent] == nil {
		return nil, status.Errorf(codes.NotFound, "there is no shelf %s", parent)
	}
	if size == 0 {
		size = 20
	}
	reply := &libraryv1.ListBooksResponse{}
	for _, name := range slices.Sorted(maps.Keys(l.books)) {
		if name <= token || parent != "" && !strings.HasPrefix(name, parent+"/") || !wanted(l.books[name]) {
			continue
		}
		if len(reply.Books) == size {
			reply.NextPageToken = reply.Books[size-1].GetName()
			break
		}
		reply.Books = append(reply.Books, proto.CloneOf(l.books[name]))
	}
	return reply, nil
}

// CreateBook puts a book on a shelf.
func (l *Library) CreateBook(_ context.Context, r *libraryv1.CreateBookRequest) (*libraryv1.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shelves[r.GetParent()] == nil {
		return nil, status.Errorf(codes.NotFound, "there is no shelf %s", r.GetParent())
	}
	b := proto.CloneOf(r.GetBook())
	b.Name = r.GetParent() + "/books/" + r.GetBookId()
	if l.books[b.Name] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "there is a book %s already", b.Name)
	}
	if len(l.books) >= itemsMax {
		return nil, status.Error(codes.ResourceExhausted, "the library is full")
	}
	l.put(b, libraryv1.ShelfEvent_KIND_ADDED)
	return b, nil
}

// UpdateBook copies the fields that the mask names; without a mask, those that are set.
func (l *Library) UpdateBook(_ context.Context, r *libraryv1.UpdateBookRequest) (*libraryv1.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.book(r.GetBook().GetName())
	if err != nil {
		return nil, err
	}
	if err := apply(b, r.GetBook(), r.GetUpdateMask()); err != nil {
		return nil, err
	}
	l.put(b, libraryv1.ShelfEvent_KIND_CHANGED)
	return b, nil
}

// apply copies the masked fields of change into b.
func apply(b, change *libraryv1.Book, mask *fieldmaskpb.FieldMask) error {
	if mask == nil {
		name := b.Name
		proto.Merge(b, change)
		b.Name = name
		return nil
	}
	for _, path := range mask.GetPaths() {
		if path == "name" {
			return status.Error(codes.InvalidArgument, "a book's name cannot change")
		}
		if err := copyPath(b.ProtoReflect(), change.ProtoReflect(), strings.Split(path, ".")); err != nil {
			return err
		}
	}
	return nil
}

// copyPath copies one field, or clears it where it is not set.
func copyPath(to, from protoreflect.Message, path []string) error {
	fd := to.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	if fd == nil {
		return status.Errorf(codes.InvalidArgument, "a book has no field %s", path[0])
	}
	switch {
	case len(path) > 1 && fd.Message() != nil && !fd.IsMap() && !fd.IsList():
		return copyPath(to.Mutable(fd).Message(), from.Get(fd).Message(), path[1:])
	case len(path) > 1:
		return status.Errorf(codes.InvalidArgument, "%s has no fields", path[0])
	case from.Has(fd):
		to.Set(fd, from.Get(fd))
	default:
		to.Clear(fd)
	}
	return nil
}

// DeleteBook throws a book away.
func (l *Library) DeleteBook(_ context.Context, r *libraryv1.DeleteBookRequest) (*emptypb.Empty, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.book(r.GetName())
	if err != nil {
		return nil, err
	}
	delete(l.books, b.GetName())
	l.tell(b, libraryv1.ShelfEvent_KIND_REMOVED)
	return &emptypb.Empty{}, nil
}

// ArchiveBook takes a book out of circulation, once.
func (l *Library) ArchiveBook(_ context.Context, r *libraryv1.ArchiveBookRequest) (*libraryv1.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.book(r.GetName())
	if err != nil {
		return nil, err
	}
	if b.Archived {
		return nil, status.Errorf(codes.FailedPrecondition, "%s is archived already", b.GetName())
	}
	b.Archived = true
	if r.GetReason() != "" {
		if b.Labels == nil {
			b.Labels = map[string]string{}
		}
		b.Labels["archived"] = r.GetReason()
	}
	l.put(b, libraryv1.ShelfEvent_KIND_CHANGED)
	return b, nil
}

// WatchShelf tells what stands on a shelf and then what changes, until the client goes or has its number of events.
func (l *Library) WatchShelf(r *libraryv1.WatchShelfRequest, stream grpc.ServerStreamingServer[libraryv1.ShelfEvent]) error {
	events, err := l.watch(r.GetName())
	if err != nil {
		return err
	}
	defer l.forget(events)
	for sent := int32(0); r.GetLimit() == 0 || sent < r.GetLimit(); sent++ {
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case e, ok := <-events:
			if !ok {
				return status.Error(codes.ResourceExhausted, "the watcher fell too far behind; watch again")
			}
			if err := stream.Send(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Library) watch(shelf string) (chan *libraryv1.ShelfEvent, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shelves[shelf] == nil {
		return nil, status.Errorf(codes.NotFound, "there is no shelf %s", shelf)
	}
	events := make(chan *libraryv1.ShelfEvent, itemsMax+eventsMax)
	for _, name := range slices.Sorted(maps.Keys(l.books)) {
		if strings.HasPrefix(name, shelf+"/") {
			events <- &libraryv1.ShelfEvent{Kind: libraryv1.ShelfEvent_KIND_PRESENT, Book: proto.CloneOf(l.books[name])}
		}
	}
	l.watchers[events] = shelf
	return events, nil
}

func (l *Library) forget(events chan *libraryv1.ShelfEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watchers, events)
}

// put stores a book and tells the watchers of its shelf. The caller holds the lock.
func (l *Library) put(b *libraryv1.Book, kind libraryv1.ShelfEvent_Kind) {
	l.books[b.GetName()] = proto.CloneOf(b)
	l.tell(b, kind)
}

func (l *Library) tell(b *libraryv1.Book, kind libraryv1.ShelfEvent_Kind) {
	for events, shelf := range l.watchers {
		if !strings.HasPrefix(b.GetName(), shelf+"/") {
			continue
		}
		select {
		case events <- &libraryv1.ShelfEvent{Kind: kind, Book: proto.CloneOf(b)}:
		default: // too far behind
			delete(l.watchers, events)
			close(events)
		}
	}
}

// ReindexBooks counts the books.
func (l *Library) ReindexBooks(context.Context, *libraryv1.ReindexBooksRequest) (*libraryv1.ReindexBooksResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &libraryv1.ReindexBooksResponse{Books: int32(len(l.books))}, nil
}
