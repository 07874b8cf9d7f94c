// Matrices of SIDE a side in the registers of a subgroup (Dawn's chromium_experimental_subgroup_matrix), for core_matrix.
alias Half = f16;
alias Left = subgroup_matrix_left<f16, SIDE, SIDE>;
alias Right = subgroup_matrix_right<f16, SIDE, SIDE>;
alias Sum = subgroup_matrix_result<f32, SIDE, SIDE>;

fn half(value: f32) -> Half { return Half(value); }
fn load_left(first: u32) -> Left { return subgroupMatrixLoad<Left>(&tile_a, first, A_ALONG_ROWS, A_STRIDE); }
fn load_right(first: u32) -> Right { return subgroupMatrixLoad<Right>(&tile_b, first, false, B_STRIDE); }
fn multiply_add(left: Left, right: Right, sum: Sum) -> Sum { return subgroupMatrixMultiplyAccumulate(left, right, sum); }
fn store_sum(first: u32, sum: Sum) { subgroupMatrixStore(&results, first, sum, false, SIDE); }
