package main

import "slices"

// median is the middle one, or the mean of the two in the middle. There must be one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// medianOf is the median of one figure of all samples.
func medianOf(samples []sample, figure func(sample) float64) float64 {
	return median(figures(samples, figure))
}

// spreadOf is the least and the most of one figure.
func spreadOf(samples []sample, figure func(sample) float64) (least, most float64) {
	values := figures(samples, figure)
	return slices.Min(values), slices.Max(values)
}

func figures(samples []sample, figure func(sample) float64) (values []float64) {
	for _, s := range samples {
		values = append(values, figure(s))
	}
	return values
}

func cpuOf(s sample) float64    { return s.cpu }
func rateOf(s sample) float64   { return s.rate }
func p50Of(s sample) float64    { return s.p50 }
func p99Of(s sample) float64    { return s.p99 }
func peakOf(s sample) float64   { return s.peak }
func allocsOf(s sample) float64 { return s.allocs }
