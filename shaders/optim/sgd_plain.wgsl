// Descent along the gradient alone.
fn direction(i: u32, gradient: f32, undamped: f32) -> f32 { return gradient; }
