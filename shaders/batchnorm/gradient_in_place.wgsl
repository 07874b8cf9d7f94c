// Batchnorm backward that overwrites the incoming gradient, element by element; layout as x.
@group(0) @binding(7) var<storage, read_write> dx: array<Elem>;
fn gradient_at(at: u32) -> f32 { return widen(dx[at]); }
