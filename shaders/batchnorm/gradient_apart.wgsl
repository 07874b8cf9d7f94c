// Batchnorm backward with the input gradient in memory of its own; layouts as x.
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(7) var<storage, read_write> dx: array<Elem>;
fn gradient_at(at: u32) -> f32 { return widen(dy[at]); }
