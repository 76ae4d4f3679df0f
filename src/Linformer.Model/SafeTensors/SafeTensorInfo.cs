namespace Linformer.Model.SafeTensors;

/// <summary>What a safetensors file says of one tensor, checked.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Type">The element type.</param>
/// <param name="Shape">The dimensions; empty for a scalar.</param>
/// <param name="Offset">Where its bytes start, counted from the start of the file.</param>
/// <param name="ByteLength">How many bytes it has: the product of the shape times the element's size.</param>
public sealed record SafeTensorInfo(string Name, ElementType Type, IReadOnlyList<long> Shape, long Offset, long ByteLength);
