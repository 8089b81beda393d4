"""Section 7.5, product names of GPUs: one line per name in test_gpu_products.py."""

from test.upstream.lines import Line, cases, same

_TEST = "test/api/test_gpu_products.py::test_product_is_of_its_sku"
_SXM = "A name that does not say how the GPU is attached is SXM here: the driver calls the SXM module NVIDIA H100."
_ONE_FORM = "No driver writes a name with both words, so neither of them has to win."

PRODUCTS = (
    *cases(
        _TEST,
        {
            "empty input": "",
            "unknown gpu": "Some-Accelerator",
            "GB200 SXM": "GB200-SXM",
            "GB200 HGX (implies SXM)": "HGX GB200",
            "B200 SXM": "B200 SXM",
            "H100 SXM": "H100-SXM5-80GB",
            "H100 PCIe explicit": "NVIDIA H100 PCIe",
            "H200 SXM": "NVIDIA-H200-SXM5-141GB",
            "A100 SXM": "A100-SXM4-40GB",
            "A100 PCIe": "A100 PCIe",
            "L40S": "NVIDIA L40S",
            "L40S should not match L40": "NVIDIA-L40S",
            "L40": "NVIDIA L40",
            "L4": "NVIDIA L4",
            "V100 SXM": "V100 SXM",
            "V100 PCIe": "V100 PCIe",
            "T4": "T4",
            "MI300": "MI300",
            "MI250 (mi200)": "MI250",
            "MI200": "MI200",
            "lowercase + spaces": "h100-sxm5-80gb",
            "mixed case + dash": "A100-sXm",
            "with extra spaces": "  H100   PCIe ",
        },
        "TestInferHardwareSystem: ",
    ),
    *same(_SXM, "TestInferHardwareSystem: H100 default PCIe", "TestInferHardwareSystem: A100 default PCIe"),
    *cases(
        _TEST,
        {
            "TestInferHardwareSystem_CaseInsensitive": "h100-sxm5-80gb",
            "TestInferHardwareSystem_SpacesAndDashes": "H100SXM580GB",
        },
    ),
    *cases(
        _TEST,
        {
            "basic lowercase": "h100-sxm5-80gb",
            "spaces removed": "H100 SXM5 80GB",
            "dashes removed": "H100-SXM5-80GB",
            "mixed": "A100-sXm",
            "extra whitespace": "  H100   PCIe ",
            "complex": "NVIDIA-A100-80GB-PCIe",
            "empty": "",
        },
        "TestNormalize: ",
    ),
    *cases(
        _TEST,
        {
            "SXM": "V100 SXM",
            "HGX": "HGX GB200",
            "DGX": "Tesla-V100-DGXS-32GB",
            "PCIe": "V100 PCIe",
            "random": "random-gpu",
            "empty": "",
        },
        "TestDetectFormFactor: ",
    ),
    Line("TestDetectFormFactor: default PCIe", not_applicable=_SXM),
    Line("TestDetectFormFactor: SXM wins", not_applicable=_ONE_FORM),
)
