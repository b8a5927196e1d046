package perturb

import (
	"fmt"
	"strconv"
)

// levels reads the numbers of the severities asked for out of a family's table.
func levels(table [5]string, severities []int) []float64 {
	numbers := make([]float64, len(severities))
	for i, s := range severities {
		v, err := strconv.ParseFloat(table[s-1], 64)
		if err != nil { // the tables are constants of this package, and a test reads all of them
			panic(fmt.Sprintf("perturb: severity table holds %q", table[s-1]))
		}
		numbers[i] = v
	}
	return numbers
}
