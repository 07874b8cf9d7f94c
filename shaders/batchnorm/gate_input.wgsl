// Batchnorm backward through a relu without a residual: the relu's input is computed again, by apply's own expression, so
// that the output need not be kept.
@group(0) @binding(9) var<storage, read> beta: array<f32>;
fn gate_shift(channel: u32) -> f32 { return beta[channel]; }
fn is_open(at: u32, before_relu: f32) -> bool { return before_relu > 0.0; }
