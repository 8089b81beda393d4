from dgdr_controller.profiler.simulation.shapes import usual

TP8, PP2_TP4, DP8_EP8 = (8, 1, 1, 8, 1, 1), (4, 2, 1, 4, 1, 1), (1, 1, 8, 1, 8, 1)


def test_pipeline_within_a_node_is_left_out_where_tensors_can_be_cut() -> None:
    assert usual([TP8, PP2_TP4], node=8) == [TP8]
    assert usual([TP8, PP2_TP4], node=4) == [TP8, PP2_TP4]  # over two nodes it is what spares the network
    assert usual([PP2_TP4], node=8) == [PP2_TP4]  # heads or blocks that eight GPUs cannot share


def test_experts_that_are_cut_and_spread_are_left_out_where_one_of_both_can_be_had() -> None:
    mixed = (1, 1, 8, 2, 4, 1)
    assert usual([DP8_EP8, mixed], node=8) == [DP8_EP8]
    assert usual([mixed, TP8], node=8) == [mixed, TP8]  # of other attention
