using System.Runtime.CompilerServices;

namespace TorchSharp.Interop;

/// <summary>
/// An ATen operator, called through the dispatcher. The lookup is done at the first call; missing trailing
/// arguments take the defaults of the operator's schema.
/// </summary>
internal sealed unsafe class Operator(string name, string overload = "")
{
    private const int StackWords = 64;

    private nint _handle;

    /// <summary>Calls an operator that returns one tensor.</summary>
    public torch.Tensor Call(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Invoke(arguments, &result, 1);
        return new torch.Tensor((nint)result.Bits);
    }

    /// <summary>Calls an operator that changes its first argument, which is also its result.</summary>
    public void CallInPlace(params ReadOnlySpan<Argument> arguments) => Invoke(arguments, null, 0);

    public (torch.Tensor, torch.Tensor) CallForTwo(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[2];
        Invoke(arguments, results, 2);
        return (new torch.Tensor((nint)results[0].Bits), new torch.Tensor((nint)results[1].Bits));
    }

    public (torch.Tensor, torch.Tensor, torch.Tensor) CallForThree(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[3];
        Invoke(arguments, results, 3);
        return (new torch.Tensor((nint)results[0].Bits), new torch.Tensor((nint)results[1].Bits),
            new torch.Tensor((nint)results[2].Bits));
    }

    public torch.Tensor[] CallForList(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Invoke(arguments, &result, 1);
        var handles = (nint*)result.Bits;
        var tensors = new torch.Tensor[result.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            tensors[i] = new torch.Tensor(handles[i]);
        }
        NativeMethods.tb_tensor_array_free(handles);
        return tensors;
    }

    public bool CallForBool(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Invoke(arguments, &result, 1);
        return result.Bits != 0;
    }

    /// <summary>Calls an operator that returns a number.</summary>
    public NativeValue CallForNumber(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Invoke(arguments, &result, 1);
        return result;
    }

    [SkipLocalsInit]
    private void Invoke(ReadOnlySpan<Argument> arguments, NativeValue* results, int resultCount)
    {
        if (_handle == 0)
        {
            Find();
        }
        int words = 0;
        foreach (ref readonly var argument in arguments)
        {
            words += argument.ScratchWords;
        }
        Span<long> scratch = words <= StackWords ? stackalloc long[StackWords] : new long[words];
        var values = stackalloc NativeValue[arguments.Length];
        fixed (long* memory = scratch)
        {
            int used = 0;
            for (int i = 0; i < arguments.Length; i++)
            {
                arguments[i].Write(&values[i], memory + used);
                used += arguments[i].ScratchWords;
            }
            NativeMethods.Check(NativeMethods.tb_operator_call(_handle, values, arguments.Length, results, resultCount));
        }
        // No tensor among the arguments may be finalized before the call is over.
        foreach (ref readonly var argument in arguments)
        {
            GC.KeepAlive(argument.Reference);
        }
    }

    private void Find()
    {
        nint found;
        NativeMethods.Check(NativeMethods.tb_operator_find("aten::" + name, overload, &found));
        _handle = found;
    }
}
