using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Collections.ObjectModel;
using System.Reflection;

namespace Orleans.Serialization;

/// <summary>Copiers of arrays, tuples and the collections of .NET.</summary>
internal static class CollectionCopiers
{
    private static readonly Dictionary<Type, Type> Generic = new()
    {
        [typeof(List<>)] = typeof(ListCopier<>),
        [typeof(HashSet<>)] = typeof(HashSetCopier<>),
        [typeof(Queue<>)] = typeof(QueueCopier<>),
        [typeof(Stack<>)] = typeof(StackCopier<>),
        [typeof(SortedSet<>)] = typeof(SortedSetCopier<>),
        [typeof(Collection<>)] = typeof(CollectionCopier<>),
        [typeof(ReadOnlyCollection<>)] = typeof(ReadOnlyCollectionCopier<>),
        [typeof(Dictionary<,>)] = typeof(DictionaryCopier<,>),
        [typeof(SortedDictionary<,>)] = typeof(SortedDictionaryCopier<,>),
        [typeof(ConcurrentDictionary<,>)] = typeof(ConcurrentDictionaryCopier<,>),
        [typeof(ReadOnlyDictionary<,>)] = typeof(ReadOnlyDictionaryCopier<,>),
        [typeof(KeyValuePair<,>)] = typeof(KeyValuePairCopier<,>),
        [typeof(ImmutableArray<>)] = typeof(ImmutableArrayCopier<>),
        [typeof(ImmutableList<>)] = typeof(ImmutableListCopier<>),
        [typeof(ImmutableHashSet<>)] = typeof(ImmutableHashSetCopier<>),
        [typeof(ImmutableDictionary<,>)] = typeof(ImmutableDictionaryCopier<,>),
        [typeof(Nullable<>)] = typeof(NullableCopier<>),
    };

    /// <summary>Interfaces whose values may be of types that cannot be copied themselves, as those of collection expressions.</summary>
    private static readonly Dictionary<Type, Type> Interfaces = new()
    {
        [typeof(IEnumerable<>)] = typeof(ListInterfaceCopier<,>),
        [typeof(ICollection<>)] = typeof(ListInterfaceCopier<,>),
        [typeof(IList<>)] = typeof(ListInterfaceCopier<,>),
        [typeof(IReadOnlyCollection<>)] = typeof(ListInterfaceCopier<,>),
        [typeof(IReadOnlyList<>)] = typeof(ListInterfaceCopier<,>),
        [typeof(ISet<>)] = typeof(SetInterfaceCopier<,>),
        [typeof(IReadOnlySet<>)] = typeof(SetInterfaceCopier<,>),
        [typeof(IDictionary<,>)] = typeof(DictionaryInterfaceCopier<,,>),
        [typeof(IReadOnlyDictionary<,>)] = typeof(DictionaryInterfaceCopier<,,>),
    };

    public static Copier? MakeOfInterface(Type type) =>
        type is { IsInterface: true, IsGenericType: true } && Interfaces.TryGetValue(type.GetGenericTypeDefinition(), out var copier)
            ? Create(copier.MakeGenericType([type, .. type.GetGenericArguments()]))
            : null;

    public static Copier? Make(Type type)
    {
        if (type.IsSZArray)
        {
            return Create(typeof(ArrayCopier<>).MakeGenericType(type.GetElementType()!));
        }

        if (!type.IsGenericType)
        {
            return null;
        }

        if (typeof(System.Runtime.CompilerServices.ITuple).IsAssignableFrom(type))
        {
            return new TupleCopier(type);
        }

        return Generic.TryGetValue(type.GetGenericTypeDefinition(), out var copier)
            ? Create(copier.MakeGenericType(type.GetGenericArguments()))
            : null;
    }

    private static Copier Create(Type type) => (Copier)Activator.CreateInstance(
        type, BindingFlags.Instance | BindingFlags.Public | BindingFlags.DoNotWrapExceptions, binder: null, args: null, culture: null)!;

    private abstract class CollectionCopier<TCollection, TItem> : Copier
        where TCollection : notnull
    {
        private Copier? _items;

        protected bool ItemsAreShallow => ItemCopier.IsShallow;

        // Asked for when there is an item, as in the real package: only then is a missing codec noticed (an array's at once).
        private Copier ItemCopier => _items ??= Get(typeof(TItem));

        public override object? Copy(object? value, CopyContext context)
        {
            if (value is null)
            {
                return null;
            }

            if (context.Copies.TryGetValue(value, out var existing))
            {
                return existing;
            }

            var copy = Copy((TCollection)value, context)!;
            if (!typeof(TCollection).IsValueType)
            {
                context.Copies[value] = copy;
            }

            return copy;
        }

        protected abstract TCollection Copy(TCollection original, CopyContext context);

        /// <summary>Says what the copy is before its items are copied: they may refer to it.</summary>
        protected static TCollection Register(TCollection original, TCollection copy, CopyContext context)
        {
            context.Copies[original] = copy;
            return copy;
        }

        protected TItem Item(TItem item, CopyContext context) =>
            ItemsAreShallow ? item : (TItem)ItemCopier.Copy(item, context)!;

        protected IEnumerable<TItem> Items(IEnumerable<TItem> items, CopyContext context) => items.Select(item => Item(item, context));
    }

    private sealed class ArrayCopier<T> : CollectionCopier<T[], T>
    {
        public ArrayCopier() => _ = ItemsAreShallow;

        protected override T[] Copy(T[] original, CopyContext context)
        {
            var copy = Register(original, (T[])original.Clone(), context);
            for (var i = 0; i < copy.Length && !ItemsAreShallow; i++)
            {
                copy[i] = Item(original[i], context);
            }

            return copy;
        }
    }

    private sealed class ListCopier<T> : CollectionCopier<List<T>, T>
    {
        protected override List<T> Copy(List<T> original, CopyContext context)
        {
            var copy = Register(original, new List<T>(original.Count), context);
            copy.AddRange(Items(original, context));
            return copy;
        }
    }

    private sealed class CollectionCopier<T> : CollectionCopier<Collection<T>, T>
    {
        protected override Collection<T> Copy(Collection<T> original, CopyContext context) => new(Items(original, context).ToList());
    }

    private sealed class ReadOnlyCollectionCopier<T> : CollectionCopier<ReadOnlyCollection<T>, T>
    {
        protected override ReadOnlyCollection<T> Copy(ReadOnlyCollection<T> original, CopyContext context) => new(Items(original, context).ToList());
    }

    private sealed class HashSetCopier<T> : CollectionCopier<HashSet<T>, T>
    {
        protected override HashSet<T> Copy(HashSet<T> original, CopyContext context) => new(Items(original, context), original.Comparer);
    }

    private sealed class SortedSetCopier<T> : CollectionCopier<SortedSet<T>, T>
    {
        protected override SortedSet<T> Copy(SortedSet<T> original, CopyContext context) => new(Items(original, context), original.Comparer);
    }

    private sealed class QueueCopier<T> : CollectionCopier<Queue<T>, T>
    {
        protected override Queue<T> Copy(Queue<T> original, CopyContext context) => new(Items(original, context));
    }

    private sealed class StackCopier<T> : CollectionCopier<Stack<T>, T>
    {
        protected override Stack<T> Copy(Stack<T> original, CopyContext context) => new(Items(original.Reverse(), context));
    }

    private sealed class ImmutableArrayCopier<T> : CollectionCopier<ImmutableArray<T>, T>
    {
        protected override ImmutableArray<T> Copy(ImmutableArray<T> original, CopyContext context) =>
            original.IsDefaultOrEmpty || ItemsAreShallow ? original : [.. Items(original, context)];
    }

    private sealed class ImmutableListCopier<T> : CollectionCopier<ImmutableList<T>, T>
    {
        protected override ImmutableList<T> Copy(ImmutableList<T> original, CopyContext context) =>
            original.IsEmpty || ItemsAreShallow ? original : [.. Items(original, context)];
    }

    private sealed class ImmutableHashSetCopier<T> : CollectionCopier<ImmutableHashSet<T>, T>
    {
        protected override ImmutableHashSet<T> Copy(ImmutableHashSet<T> original, CopyContext context) =>
            original.IsEmpty || ItemsAreShallow ? original : ImmutableHashSet.CreateRange(original.KeyComparer, Items(original, context));
    }

    private abstract class PairsCopier<TCollection, TKey, TValue> : CollectionCopier<TCollection, TKey>
        where TCollection : notnull
    {
        private Copier? _values;

        protected bool IsShallowPair => ItemsAreShallow && ValueCopier.IsShallow;

        private Copier ValueCopier => _values ??= Get(typeof(TValue));

        protected KeyValuePair<TKey, TValue> Pair(KeyValuePair<TKey, TValue> pair, CopyContext context) =>
            new(Item(pair.Key, context), ValueCopier.IsShallow ? pair.Value : (TValue)ValueCopier.Copy(pair.Value, context)!);

        protected IEnumerable<KeyValuePair<TKey, TValue>> Pairs(IEnumerable<KeyValuePair<TKey, TValue>> pairs, CopyContext context) =>
            pairs.Select(pair => Pair(pair, context));
    }

    private sealed class KeyValuePairCopier<TKey, TValue> : PairsCopier<KeyValuePair<TKey, TValue>, TKey, TValue>
    {
        protected override KeyValuePair<TKey, TValue> Copy(KeyValuePair<TKey, TValue> original, CopyContext context) => Pair(original, context);
    }

    private sealed class DictionaryCopier<TKey, TValue> : PairsCopier<Dictionary<TKey, TValue>, TKey, TValue>
        where TKey : notnull
    {
        protected override Dictionary<TKey, TValue> Copy(Dictionary<TKey, TValue> original, CopyContext context)
        {
            var copy = Register(original, new Dictionary<TKey, TValue>(original.Count, original.Comparer), context);
            foreach (var (key, value) in Pairs(original, context))
            {
                copy.Add(key, value);
            }

            return copy;
        }
    }

    private sealed class SortedDictionaryCopier<TKey, TValue> : PairsCopier<SortedDictionary<TKey, TValue>, TKey, TValue>
        where TKey : notnull
    {
        protected override SortedDictionary<TKey, TValue> Copy(SortedDictionary<TKey, TValue> original, CopyContext context)
        {
            var copy = Register(original, new SortedDictionary<TKey, TValue>(original.Comparer), context);
            foreach (var (key, value) in Pairs(original, context))
            {
                copy.Add(key, value);
            }

            return copy;
        }
    }

    private sealed class ConcurrentDictionaryCopier<TKey, TValue> : PairsCopier<ConcurrentDictionary<TKey, TValue>, TKey, TValue>
        where TKey : notnull
    {
        protected override ConcurrentDictionary<TKey, TValue> Copy(ConcurrentDictionary<TKey, TValue> original, CopyContext context) =>
            new(Pairs(original, context), original.Comparer);
    }

    private sealed class ReadOnlyDictionaryCopier<TKey, TValue> : PairsCopier<ReadOnlyDictionary<TKey, TValue>, TKey, TValue>
        where TKey : notnull
    {
        protected override ReadOnlyDictionary<TKey, TValue> Copy(ReadOnlyDictionary<TKey, TValue> original, CopyContext context) =>
            new(new Dictionary<TKey, TValue>(Pairs(original, context)));
    }

    private sealed class ImmutableDictionaryCopier<TKey, TValue> : PairsCopier<ImmutableDictionary<TKey, TValue>, TKey, TValue>
        where TKey : notnull
    {
        protected override ImmutableDictionary<TKey, TValue> Copy(ImmutableDictionary<TKey, TValue> original, CopyContext context) =>
            original.IsEmpty || IsShallowPair ? original : ImmutableDictionary.CreateRange(original.KeyComparer, original.ValueComparer, Pairs(original, context));
    }

    /// <summary>Of an interface, a value is copied as what it is; as a list when that is a type without copier.</summary>
    private class ListInterfaceCopier<TInterface, TItem> : CollectionCopier<TInterface, TItem>
        where TInterface : class, IEnumerable<TItem>
    {
        public override object? Copy(object? value, CopyContext context) =>
            value is not null && TryGet(value.GetType()) is { } copier ? copier.Copy(value, context) : base.Copy(value, context);

        protected override TInterface Copy(TInterface original, CopyContext context) =>
            (TInterface)(object)Items(original, context).ToList();
    }

    private sealed class SetInterfaceCopier<TInterface, TItem> : ListInterfaceCopier<TInterface, TItem>
        where TInterface : class, IEnumerable<TItem>
    {
        protected override TInterface Copy(TInterface original, CopyContext context) =>
            (TInterface)(object)Items(original, context).ToHashSet();
    }

    private sealed class DictionaryInterfaceCopier<TInterface, TKey, TValue> : PairsCopier<TInterface, TKey, TValue>
        where TInterface : class, IEnumerable<KeyValuePair<TKey, TValue>>
        where TKey : notnull
    {
        public override object? Copy(object? value, CopyContext context) =>
            value is not null && TryGet(value.GetType()) is { } copier ? copier.Copy(value, context) : base.Copy(value, context);

        protected override TInterface Copy(TInterface original, CopyContext context) =>
            (TInterface)(object)new Dictionary<TKey, TValue>(Pairs(original, context));
    }

    private sealed class NullableCopier<T> : Copier
        where T : struct
    {
        private readonly Copier _value = Get(typeof(T));

        public override object? Copy(object? value, CopyContext context) => value is null ? null : _value.Copy(value, context);
    }

    private sealed class TupleCopier : Copier
    {
        private readonly Type _type;
        private readonly Copier[] _items;

        public TupleCopier(Type type)
        {
            _type = type;
            _items = [.. type.GetGenericArguments().Select(Get)];
        }

        public override object? Copy(object? value, CopyContext context)
        {
            if (value is null)
            {
                return null;
            }

            // Of eight items and more the last is the tuple of the rest, which ITuple would hide.
            var values = _type.IsValueType
                ? Array.ConvertAll(_type.GetFields(), field => field.GetValue(value))
                : Array.ConvertAll(_type.GetProperties(), property => property.GetValue(value));
            return Activator.CreateInstance(_type, [.. values.Zip(_items, (item, copier) => copier.Copy(item, context))]);
        }
    }
}
