using System.Buffers.Binary;
using System.Text;

namespace Linformer.Model.Interchange.Pickle;

/// <summary>
/// Reads the pickle of a PyTorch file. It runs nothing: the only things that it makes are tensors, plain containers and plain values,
/// and every name and operation beyond those that torch.save writes for them is refused.
/// </summary>
internal sealed class Unpickler
{
    private const int HighestProtocol = 5;

    // A state dict of a hundred thousand tensors stays far below.
    private const int MostOperations = 8_000_000;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly object Mark = new();

    private readonly byte[] _bytes;
    private readonly string _source;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<long, object?> _memo = [];
    private readonly PickleBuilder _builder;
    private int _position;
    private int _operation;

    private Unpickler(byte[] bytes, string source)
    {
        (_bytes, _source) = (bytes, source);
        _builder = new PickleBuilder(Bad);
    }

    /// <summary>Reads a pickle.</summary>
    /// <param name="bytes">The pickle.</param>
    /// <param name="source">What to call it in messages.</param>
    /// <returns>
    /// null, bool, long, double, string, object?[] (a tuple), List of object?, <see cref="PickledDictionary"/>, <see cref="PickledNamespace"/>
    /// or <see cref="PickledTensor"/>. Containers may hold themselves.
    /// </returns>
    /// <exception cref="PickleException">The pickle is damaged, or is not only that; names the place.</exception>
    public static object? Read(byte[] bytes, string source) => new Unpickler(bytes, source).Run();

    private object? Run()
    {
        for (var operations = 0; operations < MostOperations; operations++)
        {
            _operation = _position;
            var code = Byte();
            if (code == '.')
            {
                return _marks.Count == 0 && _stack.Count == 1 && _stack[0] is not (NamedGlobal or PickledStorage)
                    ? _stack[0]
                    : throw Bad("the pickle ends with something other than one value");
            }

            if (!RunPlain(code) && !RunContainer(code))
            {
                RunNamed(code);
            }
        }

        throw Bad($"the pickle has more than {MostOperations} operations");
    }

    private bool RunPlain(byte code)
    {
        switch ((char)code)
        {
            case '\x80':
                var protocol = Byte();
                return protocol is >= 2 and <= HighestProtocol ? true : throw Bad($"the pickle's protocol is {protocol}; allowed are 2 to {HighestProtocol}");
            case '\x95': // FRAME
                Take(8);
                return true;
            case 'N':
                return Push(null);
            case '\x88':
                return Push(true);
            case '\x89':
                return Push(false);
            case 'K':
                return Push((long)Byte());
            case 'M':
                return Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
            case 'J':
                return Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
            case '\x8a':
                return Push(LongNumber());
            case 'G':
                return Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
            case 'X':
                return Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
            case '\x8c':
                return Push(Text(Byte()));
            case 'q':
                return Store(Byte());
            case 'r':
                return Store(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
            case '\x94':
                return Store(_memo.Count);
            case 'h':
                return Push(Recall(Byte()));
            case 'j':
                return Push(Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
            default:
                return false;
        }
    }

    private bool RunContainer(byte code)
    {
        switch ((char)code)
        {
            case '(':
                _marks.Add(_stack.Count);
                return Push(Mark);
            case ')':
                return Push(Array.Empty<object?>());
            case ']':
                return Push(new List<object?>());
            case '}':
                return Push(new PickledDictionary());
            case '\x85':
                return Push(PopMany(1));
            case '\x86':
                return Push(PopMany(2));
            case '\x87':
                return Push(PopMany(3));
            case 't':
                return Push(PopToMark());
            case 'a':
                var last = Pop();
                Top<List<object?>>("a list").Add(last);
                return true;
            case 'e':
                var added = PopToMark();
                Top<List<object?>>("a list").AddRange(added);
                return true;
            case 's':
                var pair = PopMany(2);
                _builder.SetItems(Top<PickledDictionary>("a dictionary"), pair);
                return true;
            case 'u':
                var items = PopToMark();
                _builder.SetItems(Top<PickledDictionary>("a dictionary"), items);
                return true;
            default:
                return false;
        }
    }

    private void RunNamed(byte code)
    {
        switch ((char)code)
        {
            case 'c':
                var moduleLine = Line();
                Push(Global(moduleLine, Line()));
                break;
            case '\x93':
                var names = PopMany(2);
                Push(names is [string module, string name] ? Global(module, name) : throw Bad("a global is named by something other than two texts"));
                break;
            case 'Q':
                Push(_builder.Storage(Pop()));
                break;
            case 'R':
                var call = PopMany(2);
                Push(_builder.Call(call[0], call[1]));
                break;
            case '\x81':
                var made = PopMany(2);
                Push(_builder.New(made[0], made[1]));
                break;
            case 'b':
                var state = Pop();
                _builder.SetState(_stack.Count == 0 ? null : _stack[^1], state);
                break;
            default:
                throw Bad($"the operation 0x{code:x2} is not one that torch.save writes for a state dict");
        }
    }

    private NamedGlobal Global(string module, string name) =>
        NamedGlobal.Find(module, name) ?? throw Bad($"the file asks for {module}.{name}, which is not allowed: a state dict has only tensors and plain containers, and nothing else is ever loaded or run");

    private bool Push(object? value)
    {
        _stack.Add(value);
        return true;
    }

    private object? Pop()
    {
        if (_stack.Count == 0 || _stack[^1] == Mark)
        {
            throw Bad("a value is missing");
        }

        var value = _stack[^1];
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private object?[] PopMany(int count)
    {
        var values = new object?[count];
        for (var i = count - 1; i >= 0; i--)
        {
            values[i] = Pop();
        }

        return values;
    }

    private object?[] PopToMark()
    {
        if (_marks.Count == 0)
        {
            throw Bad("a mark is missing");
        }

        var mark = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        var values = _stack[(mark + 1)..].ToArray();
        _stack.RemoveRange(mark, _stack.Count - mark);
        return values;
    }

    private T Top<T>(string what) => _stack.Count > 0 && _stack[^1] is T value ? value : throw Bad($"{what} is missing");

    private bool Store(long key)
    {
        if (_stack.Count == 0 || _stack[^1] == Mark)
        {
            throw Bad("a value is missing");
        }

        _memo[key] = _stack[^1];
        return true;
    }

    private object? Recall(long key) => _memo.TryGetValue(key, out var value) ? value : throw Bad($"nothing was stored under the number {key}");

    private byte Byte() => Take(1)[0];

    private ReadOnlySpan<byte> Take(long length)
    {
        if (length > _bytes.Length - _position)
        {
            throw Bad($"the pickle ends {length - (_bytes.Length - _position)} bytes too early");
        }

        var bytes = _bytes.AsSpan(_position, (int)length);
        _position += (int)length;
        return bytes;
    }

    private string Line()
    {
        var length = _bytes.AsSpan(_position).IndexOf((byte)'\n');
        var text = length < 0 ? throw Bad("a line does not end") : Text(length);
        _position++;
        return text;
    }

    private string Text(long length)
    {
        try
        {
            return StrictUtf8.GetString(Take(length));
        }
        catch (DecoderFallbackException e)
        {
            throw Bad($"a text is not valid UTF-8: {e.Message}");
        }
    }

    private long LongNumber()
    {
        var length = Byte();
        var bytes = length <= 8 ? Take(length) : throw Bad($"a whole number has {length} bytes; allowed are 8");
        var value = length > 0 && bytes[^1] >= 0x80 ? -1L : 0;
        for (var i = length - 1; i >= 0; i--)
        {
            value = (value << 8) | bytes[i];
        }

        return value;
    }

    private PickleException Bad(string message) => new($"{_source}, byte {_operation}: {message}.");
}
