package gateway

// The files that a process can have open bound its connections, too. Some are kept for what has to work when clients take all
// that they can: the admin listener, backends, the registry's store. What is kept is an eighth, but not less or more than this.
const (
	filesKeptMin = 64
	filesKeptMax = 1024
)

// shares divides the files that the process can have open among the listeners whose clients may be anybody: how many connections
// the public one takes, which is to take most, and how many the internal one. A quarter is the internal one's alone.
func shares(files, most int) (public, internal int) {
	rest := max(files-min(max(files/8, filesKeptMin), filesKeptMax), 2)
	public = min(most, rest-max(rest/4, 1))
	return public, rest - public
}
