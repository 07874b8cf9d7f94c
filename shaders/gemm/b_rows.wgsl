// B view: a dense [depth, columns] matrix in row-major order from phase.b_base on.
@group(0) @binding(2) var<storage, read> b: array<Elem>;

fn b_load(index: u32) -> f32 { return widen(b[index]); }
