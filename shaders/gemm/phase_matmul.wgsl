// Products of matrices: C[z] = A[z] B[z], or one sum of them. Depth is `segments` runs of segment_length elements, one per
// matrix where a batch is summed; A steps through memory by any strides, which makes a transposed A a view.
// Phase z = batch * splits + slice: a slice has a part of the segments, or of the only segment.
struct Params {
  rows: u32, columns: u32,
  b_stride: u32,                       // elements between rows of B (columns, unless B was padded)
  row_offset: u32, phase_offset: u32,  // first row tile and first phase of this dispatch
  batch: u32, splits: u32,
  segments: u32, segment_length: u32,
  a_batch: u32, a_segment: u32, a_row: u32, a_depth: u32, // elements of A from one to the next
  b_batch: u32,                        // elements of B from one matrix to the next; 0 where all share one
}
@group(0) @binding(0) var<uniform> params: Params;

struct Phase {
  rows: u32,
  segments: u32,
  segment_length: u32,
  a_base: u32, b_base: u32, c_base: u32, // first element of each matrix
}

fn phase_of(z: u32) -> Phase {
  let at = z + params.phase_offset;
  let batch = divide(at, params.splits);
  let slice = at - batch * params.splits;
  var p: Phase;
  p.rows = params.rows;
  p.segments = params.segments;
  p.segment_length = params.segment_length;
  p.a_base = batch * params.a_batch;
  p.b_base = batch * params.b_batch;
  p.c_base = (slice * params.batch + batch) * params.rows * params.columns;
  if (params.splits > 1u && params.segments > 1u) {
    let share = (params.segments + params.splits - 1u) / params.splits;
    let begin = min(slice * share, params.segments);
    p.segments = min(share, params.segments - begin);
    p.a_base += begin * params.a_segment;
    p.b_base += begin * params.segment_length * params.b_stride;
  } else if (params.splits > 1u) {
    // Multiples of 16, so that no core meets a ragged chunk inside the range.
    let share = ((params.segment_length + params.splits - 1u) / params.splits + 15u) / 16u * 16u;
    let begin = min(slice * share, params.segment_length);
    p.segment_length = min(share, params.segment_length - begin);
    p.a_base += begin * params.a_depth;
    p.b_base += begin * params.b_stride;
  }
  return p;
}
