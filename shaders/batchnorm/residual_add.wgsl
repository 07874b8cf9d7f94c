// Fused batchnorm with a residual branch, [groups * rows, channels] Elem as x.
@group(0) @binding(6) var<storage, read> residual: array<Elem>;
fn residual_at(at: u32) -> f32 { return widen(residual[at]); }
