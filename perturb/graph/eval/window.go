package eval

// maxKernel bounds the positions of a sliding kernel and the other numbers that come from attributes, so that products with
// maxShape stay in 64 bits.
const maxKernel = 1 << 20

// window is a kernel that slides over the spatial axes of a tensor [N, C, spatial…]; one number per spatial axis.
type window struct {
	in, out          []int64
	kernel           []int64
	stride, dilation []int64
	before, after    []int64 // padding
}

// slide reads the attributes that convolutions and pools share and finds the output's size.
func (c *call) slide(in, kernel []int64) window {
	rank := len(in)
	w := window{in: in, kernel: kernel, out: make([]int64, rank)}
	w.stride, w.dilation = c.intsOr("strides", rank, 1), c.intsOr("dilations", rank, 1)
	pads := c.intsOr("pads", 2*rank, 0)
	w.before, w.after = pads[:rank], pads[rank:]
	c.checkWindow(w)
	auto := c.attrString("auto_pad", "NOTSET")
	up := c.attrInt("ceil_mode", 0) != 0
	for i := range w.out {
		switch auto {
		case "NOTSET", "":
			w.out[i] = w.steps(i, up)
		case "VALID":
			w.before[i], w.after[i] = 0, 0
			w.out[i] = w.steps(i, up)
		case "SAME_UPPER", "SAME_LOWER":
			w.out[i] = (in[i] + w.stride[i] - 1) / w.stride[i]
			total := max(0, (w.out[i]-1)*w.stride[i]+w.reach(i)-in[i])
			w.before[i], w.after[i] = halves(total, auto == "SAME_UPPER")
		default:
			c.fail("attribute auto_pad is %q", auto)
		}
		if w.out[i] < 1 {
			c.fail("a kernel of %v with dilations %v does not fit input %v with padding %v", kernel, w.dilation, in, pads)
		}
	}
	return w
}

// checkWindow keeps the arithmetic of windows far from overflow and division by 0.
func (c *call) checkWindow(w window) {
	positions := int64(1)
	for i := range w.in {
		positions *= w.kernel[i]
		if w.kernel[i] < 1 || w.kernel[i] > maxKernel || positions > maxKernel {
			c.fail("kernel %v is empty, or too large", w.kernel)
		}
		if w.stride[i] < 1 || w.stride[i] > maxKernel || w.dilation[i] < 1 || w.dilation[i] > maxKernel {
			c.fail("strides %v or dilations %v are out of range", w.stride, w.dilation)
		}
		if min(w.before[i], w.after[i]) < 0 || max(w.before[i], w.after[i]) > maxKernel {
			c.fail("padding %v, %v is out of range", w.before, w.after)
		}
	}
}

// halves splits a padding; the odd one goes to the end, or else to the beginning.
func halves(total int64, upper bool) (before, after int64) {
	if upper {
		return total / 2, total - total/2
	}
	return total - total/2, total / 2
}

// reach is how many elements a dilated kernel spans.
func (w window) reach(axis int) int64 { return (w.kernel[axis]-1)*w.dilation[axis] + 1 }

// steps is how many positions a kernel has on a padded axis. Rounded up, the last one must still begin inside the input or
// the padding before it.
func (w window) steps(axis int, up bool) int64 {
	room := w.in[axis] + w.before[axis] + w.after[axis] - w.reach(axis)
	if room < 0 && !up || room <= -w.stride[axis] {
		return 0
	}
	s := w.stride[axis]
	if !up {
		return room/s + 1
	}
	n := (room+s-1)/s + 1
	if (n-1)*s >= w.in[axis]+w.before[axis] {
		n--
	}
	return n
}

// run is a stretch of output elements along the last axis that read input elements through the same kernel position: element
// i of it is at out+i of an output plane and reads in+i*stride of an input plane.
type run struct{ kernel, out, in, n int }

// runs lists what a kernel touches: what falls on padding is left out. Kernel positions ascend.
func (w window) runs() []run {
	var list []run
	rank := len(w.in)
	last := rank - 1
	outer := w.out[:last]
	position := make([]int64, rank)
	for k := range product(w.kernel) {
		unravel(position, w.kernel, k)
		lo, n := w.valid(last, position[last])
		if n <= 0 {
			continue
		}
		index := make([]int64, last)
		for row := range product(outer) {
			unravel(index, outer, row)
			in, inside := int64(0), true
			for i := range index {
				p := index[i]*w.stride[i] + position[i]*w.dilation[i] - w.before[i]
				inside = inside && p >= 0 && p < w.in[i]
				in = in*w.in[i] + p
			}
			if inside {
				in = in*w.in[last] + lo*w.stride[last] + position[last]*w.dilation[last] - w.before[last]
				list = w.extend(list, run{k, row*int(w.out[last]) + int(lo), int(in), int(n)})
			}
		}
	}
	return list
}

// extend appends a run, or makes the last one longer: a kernel of one element walks through whole planes.
func (w window) extend(list []run, r run) []run {
	if n := len(list); n > 0 && w.stride[len(w.stride)-1] == 1 {
		p := &list[n-1]
		if p.kernel == r.kernel && p.out+p.n == r.out && p.in+p.n == r.in {
			p.n += r.n
			return list
		}
	}
	return append(list, r)
}

// valid is where on an axis the kernel's position k meets the input: n outputs from lo on.
func (w window) valid(axis int, k int64) (lo, n int64) {
	s := w.stride[axis]
	shift := w.before[axis] - k*w.dilation[axis] // output o reads input o*s - shift
	if shift > 0 {
		lo = (shift + s - 1) / s
	}
	end := w.in[axis] + shift
	if end <= 0 {
		return 0, 0
	}
	return lo, min(w.out[axis], (end+s-1)/s) - lo
}

// unravel writes the indices of element i of a shape.
func unravel(index, dims []int64, i int) {
	for a := len(dims) - 1; a >= 0; a-- {
		index[a] = int64(i) % dims[a]
		i /= int(dims[a])
	}
}
