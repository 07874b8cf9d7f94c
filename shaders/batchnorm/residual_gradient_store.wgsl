// Fused batchnorm backward: the residual branch receives the gradient behind the relu.
@group(0) @binding(8) var<storage, read_write> dresidual: array<Elem>;
fn store_residual_gradient(at: u32, dz: f32) { dresidual[at] = narrow(dz); }
