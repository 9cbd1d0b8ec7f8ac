//go:build race

package program

// raceDetector tells that the race detector is on, which makes a sync.Pool lose things at random.
const raceDetector = true
