// AMSGrad (Reddi et al. 2018): the largest second moment so far. Layout: largest [count] f32.
@group(0) @binding(7) var<storage, read_write> largest: array<f32>;
fn second_moment(i: u32, second: f32) -> f32 {
  let value = max(largest[i], second);
  largest[i] = value;
  return value;
}
