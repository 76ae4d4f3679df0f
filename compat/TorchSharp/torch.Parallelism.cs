using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public static int get_num_threads() => NativeMethods.tb_threads();

    public static void set_num_threads(int num) => NativeMethods.Check(NativeMethods.tb_set_threads(num));

    public static int get_num_interop_threads() => NativeMethods.tb_interop_threads();

    public static void set_num_interop_threads(int num) =>
        NativeMethods.Check(NativeMethods.tb_set_interop_threads(num));
}
