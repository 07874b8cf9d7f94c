// Batchnorm backward without a relu behind it: every gradient passes.
fn gate_shift(channel: u32) -> f32 { return 0.0; }
fn is_open(at: u32, before_relu: f32) -> bool { return true; }
